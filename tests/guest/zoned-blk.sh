#!/bin/bash
# Zoned virtio-blk by vhost-user in a guest: both limits, 512e and 4Kn, capacity below the zone size.
. "$(dirname "$0")/host.sh"

# Two disks in one boot. The first has two workers. The second has equal limits of open and active zones,
# and no conventional zones.
described=(
  "ZB_SIZE=$((512 << 20)) ZB_CONVENTIONAL=4 ZB_MAX_OPEN=8 ZB_MAX_ACTIVE=12 ZB_BLOCK=512 ZB_PHYSICAL=4096"
  "ZB_SIZE=$((256 << 20)) ZB_CAPACITY=$((3 << 20)) ZB_CONVENTIONAL=0 ZB_MAX_OPEN=10 ZB_MAX_ACTIVE=10 ZB_BLOCK=4096 ZB_PHYSICAL=4096"
)
common=(--env "ZB_DISKS=/dev/vda ${described[0]};/dev/vdb ${described[1]}" --env "ZB_PARTS=${ZB_PARTS:-}")
if [ -n "${ZB_PEER:-}" ]; then
  [ "$ZB_PEER" = null_blk ] || skip "its peer is null_blk"
  in_guest zoned-blk "${common[@]}" --timeout 600
  finish
fi
needs_server
ZONEBRIDGE_QEMU_SUITE=trixie-backports "$here/run" --prepare >"$work/newer" 2>&1 ||
  skip "no QEMU from trixie-backports: $(tail -n 1 "$work/newer")"

# serve_described NUMBER OPTION...: creates and serves disk NUMBER as described; the server is diskNUMBER.
serve_described() {
  local ZB_CAPACITY=$ZB_ZONE_SIZE ZB_MAX_ACTIVE=0
  disk=$work/disk$1.zb
  # shellcheck disable=SC2086,SC2163
  export ${described[$1]}
  create_disk --zone-capacity "$ZB_CAPACITY" --max-active "$ZB_MAX_ACTIVE"
  start_server "disk$1" --virtio blk --socket "$work/socket$1" "emulated:$disk" "${@:2}"
}
serve_described 0 --workers 2
serve_described 1 --queues 2
# The first disk is attached with exactly the arguments that serve prints for QEMU. The second disk has
# two queues.
read -ra said <<<"$(sed -n 's/^qemu: .*\(-chardev .*\)/\1/p' "$work/disk0.log")"
equal "serve prints the arguments for QEMU" "-chardev -device 4" "${said[0]:-} ${said[2]:-} ${#said[@]}"
for word in "${said[@]}"; do common+=(--qemu-arg "$word"); done
common+=(--zoned-blk-disk "$work/socket1,num_vqs=2")

mkdir "$work/reports"
in_guest zoned-blk "${common[@]}" --timeout 600 --share "$work/reports" --env "ZB_REPORTS=$work/reports"
# The guest's firmware may be the first driver, and accepts no zones. The last line is about the kernel.
for number in 0 1; do
  match "the last driver of disk $number accepted zones" '^$|VIRTIO_BLK_F_ZONED is accepted now' \
    "$(grep F_ZONED "$work/disk$number.log" | tail -n 1)"
done
# shellcheck disable=SC2317,SC2329
same_zones() {
  "$zonebridge" report "$work/disk$1.zb" --json >"$work/zones$1" &&
    "$here/inside/same-zones.py" "$work/zones$1" "$work/reports/$2"
}
for number in 0 1; do
  server_alive "the server of disk $number outlives the guest" "disk$number"
  stop_server "disk$number"
  check "outside: every zone of disk $number is as the guest saw it" \
    same_zones $number "$([ $number = 0 ] && echo vda || echo vdb)"
done
finish
