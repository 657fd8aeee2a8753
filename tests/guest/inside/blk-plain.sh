#!/bin/bash
# A disk without zones as virtio-blk: Linux's numbers, a file system, fio's verification at depth.
. "$(dirname "$0")/lib.sh"
disk=/dev/vda queue=/sys/block/vda/queue
until_there 20 test -b "$disk" || give_up "a virtio-blk disk appears" "$(dmesg | tail -n 20)"
equal "size" "$ZB_SIZE" "$(blockdev --getsize64 "$disk")"
equal "the kernel sees no zones" none "$(cat "$queue/zoned")"
equal "write cache" "write back" "$(cat "$queue/write_cache")"
match "serial" '^[0-9a-f]{16}$' "$(cat /sys/block/vda/serial)"
check "fio verifies at depth 32" fio --name=verify --filename="$disk" --direct=1 --ioengine=libaio \
  --iodepth=32 --rw=randwrite --bs=4k-128k --bs_unaligned=0 --size=48M --verify=crc32c --do_verify=1 \
  --minimal
check "write cache off" sh -c 'echo "write through" >/sys/block/vda/cache_type'
equal "write cache" "write through" "$(cat "$queue/write_cache")"
check "durable writes" dd if=/dev/zero of="$disk" bs=64k count=8 oflag=direct status=none
check "write cache on" sh -c 'echo "write back" >/sys/block/vda/cache_type'
modprobe ext4
check "mkfs.ext4" /sbin/mkfs.ext4 -q -F "$disk"
mkdir -p /mnt/blk
check "mount" mount "$disk" /mnt/blk
check "files" sh -c 'head -c 8M /dev/urandom >/mnt/blk/a && cp /mnt/blk/a /mnt/blk/b && sync -f /mnt/blk/b'
check "unmount" umount /mnt/blk
check "fsck" /sbin/e2fsck -fn "$disk"
check "mount again" mount "$disk" /mnt/blk
check "both files are the same" cmp /mnt/blk/a /mnt/blk/b
check "unmount again" umount /mnt/blk
equal "the kernel complains of nothing" "" \
  "$(dmesg | grep -E 'vda|virtio_blk|EXT4' | grep -Ei 'error|fail|warn|bug|corrupt' || true)"
finish
