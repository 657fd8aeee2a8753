#!/bin/bash
# Runs in the outer of two guests: makes the disks, serves them, boots the inner guest on them, and
# compares the zones that the inner guest saw with the disks.
. "$(dirname "$0")/../host.sh"
. "$(dirname "$0")/devices.sh"

# wanted FRONT-END NAME: whether ZB_ONLY, an extended regular expression, asks for that pair.
wanted() { grep -Eq -- "${ZB_ONLY:-.}" <<<"$1 $2"; }

# QEMU's emulated processor can run guests (SVM). With it the inner guest is emulated once, not twice.
modprobe kvm_amd 2>/dev/null && [ -c /dev/kvm ] && export ZONEBRIDGE_ACCEL=kvm
echo "the inner guests run by ${ZONEBRIDGE_ACCEL:-emulation twice}"

share=$work/share
mkdir "$share"
make_transports "$work"
declare -A bytes=([plain]=$((32 << 20)))
for name in "${transports[@]}"; do
  bytes[$name]=$("$zonebridge" info "${spec[$name]}" --json |
    /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["size"])')
done
"$zonebridge" create "$work/plain.zb" --size "${bytes[plain]}" --model none >/dev/null 2>&1 ||
  give_up "a disk without zones is created"
spec[plain]=emulated:$work/plain.zb

# inner_guest FRONT-END NAME...: serves those of these disks that are wanted, and boots a guest with them.
# The function "offer_FRONT-END NAME" serves one disk, and adds the options for ./run to the array attach.
inner_guest() {
  local front=$1 name names=() disks=() begin=$SECONDS
  shift
  for name in "$@"; do
    ! wanted "$front" "$name" || names+=("$name")
  done
  [ "${#names[@]}" -gt 0 ] || return 0
  attach=()
  rm -f "$share"/*
  for name in "${names[@]}"; do
    disks+=("$name=${bytes[$name]}")
    "offer_$front" "$name"
  done
  echo "$front:"
  # One processor: if emulated twice, a guest with two processors needs twice as long to boot.
  in_guest nested "${attach[@]}" --smp 1 --memory 512M --timeout 900 --share "$share" \
    --env "ZB_SHARED=$share" --env "ZB_DISKS=${disks[*]}"
  for name in "${names[@]}"; do
    server_alive "$name: the server outlives the guest" "$name"
    stop_server "$name"
    [ "$name" = plain ] || same_as_own "$name" "afterwards" "$share/$name.zones"
  done
  echo "$front: $((SECONDS - begin)) s"
  for name in "${names[@]}"; do
    [ "$name" = plain ] || "$zonebridge" reset "${spec[$name]}" --all >/dev/null
  done
}

offer_vhost_user_scsi() {
  if [ "$1" = plain ]; then
    start_server plain --virtio blk --socket "$work/plain.sock" "${spec[plain]}"
    attach+=(--blk-disk "$work/plain.sock")
  else
    start_server "$1" --virtio scsi --translate --socket "$work/$1.sock" "${spec[$1]}"
    attach+=(--disk "$work/$1.sock")
  fi
}

# The disk is passed through. Its replies to this host go to the inner guest, which compares them with the
# replies that it gets.
offer_passed_through() {
  start_server "$1" --virtio scsi --socket "$work/$1.sock" --lun "0=${spec[$1]}"
  attach+=(--disk "$work/$1.sock")
  host_words "$1" inquiry 12 00 00 00 60 00
  host_words "$1" zoned-characteristics 12 01 b6 04 00 00
  host_words "$1" identification 12 01 83 04 00 00
  host_words "$1" capacity 9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00
}
# host_words NAME WHAT CDB...: saves the disk's reply to a command, for own_words of nested.sh.
host_words() {
  local file=$share/$1.$2 device=${spec[$1]#scsi:}
  shift 2
  sg_raw -r 1024 -o "$file" "$device" "$@" >/dev/null 2>&1 && [ -s "$file" ] ||
    fail "sg_raw asks $device" "$*"
  echo "$@" >"$file.cdb"
}

# vhost-user-test-device-pci carries any virtio device, but needs the newer QEMU.
offer_vhost_user_blk() {
  start_server "$1" --virtio blk --socket "$work/$1.sock" "${spec[$1]}"
  attach+=(--zoned-blk-disk "$work/$1.sock")
}

offer_vhost_vdpa() {
  local node
  start_server "$1" --vduse "zb-$1" --attach guest "${spec[$1]}"
  node=$(basename "/sys/bus/vdpa/devices/zb-$1"/vhost-vdpa-*)
  attach+=(--modules virtio_blk
    --qemu-arg -device --qemu-arg "vhost-vdpa-device-pci,id=$1,vhostdev=/dev/$node")
}

inner_guest vhost_user_scsi "${transports[@]}" plain
inner_guest passed_through scsi_debug
if wanted passed_through scsi_debug; then
  match "the log names the refused command and the option that allows it" 'refused WRITE BUFFER.*--allow write-buffer' \
    "$(<"$work/scsi_debug.log")"
fi
if ZONEBRIDGE_QEMU_SUITE=trixie-backports "$here/run" --prepare >"$work/newer" 2>&1; then
  inner_guest vhost_user_blk "${transports[@]}"
else
  skipped "vhost_user_blk" "no newer QEMU: $(tail -n 1 "$work/newer")"
fi
modprobe -a vduse vhost_vdpa || give_up "the vDPA modules load"
inner_guest vhost_vdpa "${transports[@]}"
finish
