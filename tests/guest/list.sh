#!/bin/bash
# Real disks of all kinds: list, the choice of a transport, create --like, bench, --force.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on devices of its own"
needs_server

# namespace NUMBER SIZE PROPERTIES: an NVMe namespace of its own controller.
devices=()
namespace() {
  truncate -s "$2" "$work/ns$1"
  devices+=(
    --qemu-arg -blockdev --qemu-arg "driver=file,filename=$work/ns$1,node-name=ns$1"
    --qemu-arg -device --qemu-arg "nvme,id=nvme$1,serial=ZB-NS-$1"
    --qemu-arg -device --qemu-arg "nvme-ns,drive=ns$1,bus=nvme$1$3")
}
namespace 0 64M ,zoned=on,zoned.zone_size=4M,zoned.zone_capacity=3M,zoned.max_open=4,zoned.max_active=6
# Linux has no block device for zones of this size.
namespace 1 48M ,zoned=on,zoned.zone_size=3M,zoned.zone_capacity=3M
namespace 2 16M ''
# Linux simulates no disk that reports itself as host-aware (scsi_debug does not since 6.8). So zonebridge
# serves one, which the guest sees as a SCSI disk like any other.
ZB_SIZE=$((64 << 20))
create_disk --model host-aware
serve_disk

in_guest list --env "ZONEBRIDGE=$zonebridge" "${devices[@]}" --timeout 300
server_alive "the server of the host-aware disk outlives the guest"
stop_server
finish
