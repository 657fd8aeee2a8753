#!/bin/bash
# The rules that strict conformance suites check on a ZBC disk, by SG_IO: 512e and 4Kn, URSWRZ 1 and 0.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "only with served disks"
ZB_SIZE=$((64 << 20)) ZB_ZONE_SIZE=$((1 << 20)) ZB_MAX_OPEN=4 ZB_PHYSICAL=4096
kinds=0 attached=()
for block in 512 4096; do
  for urswrz in 1 0; do
    kinds=$((kinds + 1))
    disk=$work/disk$kinds.zb ZB_BLOCK=$block
    create_disk
    start_server "server$kinds" --virtio scsi --socket "$work/socket$kinds" --urswrz "$urswrz" "emulated:$disk"
    attached+=(--disk "$work/socket$kinds")
  done
done
in_guest conformance "${attached[@]}" --env "ZB_KINDS=$kinds" --timeout 600
for kind in $(seq "$kinds"); do
  server_alive "server $kind outlives the guest" "server$kind"
  stop_server "server$kind"
done
finish
