#!/bin/bash
# QEMU's vhost-user-scsi and vhost-user-blk connect again to servers that are killed under verified writes.
. "$(dirname "$0")/host.sh"
needs_server
mkdir "$work/shared"
create_disk
"$zonebridge" create "$work/plain.zb" --size 128M --model none >/dev/null 2>&1 ||
  give_up "zonebridge create --model none"
kills=${ZB_KILLS:-3}
limit=(--timeout 600)
[ "$kills" -le 10 ] || limit=(--timeout $((60 * kills)))

serve_kind() {
  case $1 in
    scsi) start_server scsi --virtio scsi --socket "$work/scsi.socket" --queues 2 "emulated:$disk" ;;
    blk) start_server blk --virtio blk --socket "$work/blk.socket" --queues 2 "$work/plain.zb" ;;
  esac
}
attached=()
# attach_kind KIND [PROPERTY=VALUE]
attach_kind() {
  attached+=(--qemu-arg -chardev --qemu-arg "socket,id=$1,path=$work/$1.socket,reconnect-ms=100"
    --qemu-arg -device --qemu-arg "vhost-user-$1-pci,chardev=$1,$2")
}
serve_kind scsi
serve_kind blk
attach_kind scsi num_queues=2
attach_kind blk num-queues=2
start_guest reconnect "${attached[@]}" --modules virtio_scsi --modules sd_mod --modules sg \
  --modules virtio_blk --share "$work/shared" --env "ZB_SHARED=$work/shared" \
  "${limit[@]}"
for kind in scsi blk; do wait_line 90 "^$kind: pass" 1; done
for _ in $(seq "$kills"); do
  for kind in scsi blk; do
    passes=$(grep -c "^$kind: pass" "$work/lines")
    sleep "0.$((RANDOM % 9))"
    kill -KILL "${servers[$kind]}"
    wait "${servers[$kind]}" 2>/dev/null
    serve_kind "$kind"
    # The pass that was running, and a whole one.
    wait_line 90 "^$kind: pass" $((passes + 2))
  done
done
touch "$work/shared/enough"
count_guest reconnect
for kind in scsi blk; do
  server_alive "$kind: the last server outlives the guest" "$kind"
  stop_server "$kind"
done
finish
