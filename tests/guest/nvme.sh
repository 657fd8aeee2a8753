#!/bin/bash
# nvme: on real namespaces: QEMU's, one of them with zones of 3 MiB, and Linux's target by loop and TCP.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on devices of its own"
[ -x "$zonebridge" ] || give_up "the program is built" "there is no $zonebridge"
on_device=$(cd "$(dirname "$zonebridge")/.." && pwd -P)/tests/unit/transports/nvme/nvme_on_device
[ -x "$on_device" ] || give_up "the test program is built" "there is no $on_device"

namespaces=()
# namespace NUMBER SIZE CONTROLLER-PROPERTIES NAMESPACE-PROPERTIES
namespace() {
  truncate -s "$2" "$work/ns$1"
  namespaces+=(--qemu-arg -blockdev --qemu-arg "driver=file,filename=$work/ns$1,node-name=ns$1"
    --qemu-arg -device --qemu-arg "nvme,id=nvme$1,serial=ZB-NVME-$1$3"
    --qemu-arg -device --qemu-arg "nvme-ns,drive=ns$1,bus=nvme$1$4")
}
namespace 0 128M ,mdts=5,zoned.zasl=4 \
  ,zoned=on,zoned.zone_size=4M,zoned.zone_capacity=3M,zoned.max_open=6,zoned.max_active=10
namespace 1 96M '' ,zoned=on,zoned.zone_size=3M,zoned.max_open=5,zoned.max_active=9,zoned.cross_read=on
namespace 2 32M '' ''
namespace 3 32M '' ,ms=8

in_guest nvme --env "ZONEBRIDGE=$zonebridge" --env "ZB_ON_DEVICE=$on_device" --timeout 300 \
  "${namespaces[@]}"
finish
