#!/bin/bash
# A host-managed disk through a front end without support for zones: every request gets an error.
. "$(dirname "$0")/lib.sh"
disk=/dev/vda
until_there 20 test -b "$disk" || give_up "a virtio-blk disk appears" "$(dmesg | tail -n 20)"
refused "read" 'Input/output error' dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct status=none
refused "write" 'Input/output error' dd if=/dev/zero of="$disk" bs=4k count=1 oflag=direct status=none
refused "flush" 'Input/output error' dd if=/dev/null of="$disk" conv=fsync status=none
refused "report" 'unable to determine zone size' blkzone report "$disk"
refused "mkfs.ext4" 'Input/output error' /sbin/mkfs.ext4 -q -F "$disk"
finish
