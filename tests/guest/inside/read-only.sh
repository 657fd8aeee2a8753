#!/bin/bash
# A disk served read-only: Linux sees it as read-only, reads work, and all changes are refused.
. "$(dirname "$0")/lib.sh"
use_disk "$@"
match "the kernel logs the write protection" "\[$name\] Write Protect is on" "$(dmesg)"
equal "the block device is read-only" 1 "$(cat "/sys/block/$name/ro")"
check "read" dd if="$disk" of=/dev/null bs=1M count=8 iflag=direct status=none
# The block device can't be opened for writing. The generic node sends the commands to the disk.
disk=$sg
first=$(zone_lba "$ZB_CONVENTIONAL")
refused "write" 'Data Protect|Write protected' raw_write "$first" 8
refused "open a zone" 'Data Protect|Write protected' sg_zone -v --open --zone="$first" "$disk"
refused "reset all zones" 'Data Protect|Write protected' sg_reset_wp -v --all "$disk"
equal "the zone is unchanged" "Empty $first" "$(zone_at "$ZB_CONVENTIONAL")"
finish
