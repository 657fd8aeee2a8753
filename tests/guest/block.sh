#!/bin/bash
# Linux's block devices (null_blk, scsi_debug, ZNS, device mapper) by block:, and disks that are in use.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on devices of its own"
[ -x "$zonebridge" ] || give_up "the program is built" "there is no $zonebridge"
truncate -s 48M "$work/namespace"
in_guest block --env "ZONEBRIDGE=$zonebridge" --timeout 600 \
  --qemu-arg -blockdev --qemu-arg "driver=file,filename=$work/namespace,node-name=ns" \
  --qemu-arg -device --qemu-arg nvme,id=nvme0,serial=ZB-BLOCK \
  --qemu-arg -device --qemu-arg "nvme-ns,drive=ns,bus=nvme0,zoned=on,zoned.zone_size=2M,zoned.zone_capacity=1M,zoned.max_open=4,zoned.max_active=6"
finish
