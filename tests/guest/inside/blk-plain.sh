#!/bin/bash
# A disk without zones as virtio-blk: sizes and limits in Linux, discards, a file system, fio at depth 32.
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

# Discards and writes of zeroes: the limits in Linux, zeroes in the range, and no change outside it. On
# this disk a discarded range reads as zeroes, too.
mib=$((1 << 20))
tmp=$(mktemp -d)
equal "largest discard" $((64 * mib)) "$(cat "$queue/discard_max_bytes")"
equal "discard granularity" 4096 "$(cat "$queue/discard_granularity")"
equal "largest write of zeroes" $((64 * mib)) "$(cat "$queue/write_zeroes_max_bytes")"
# bytes OFFSET LENGTH: reads from the disk, past the page cache.
bytes() { dd if="$disk" bs=4k skip=$(($1 / 4096)) count=$(($2 / 4096)) iflag=direct status=none; }
head -c $((8 * mib)) /dev/urandom >"$tmp/data"
for way in --zeroout ''; do
  name="blkdiscard${way:+ $way}"
  check "$name: data is written before" dd if="$tmp/data" of="$disk" bs=1M oflag=direct status=none
  check "$name" blkdiscard $way --force --offset $((mib + 4096)) --length $((4 * mib)) "$disk"
  check "$name: the range reads as zeroes" sh -c "cmp -n $((4 * mib)) /dev/zero -" < <(bytes $((mib + 4096)) $((4 * mib)))
  check "$name: the data before the range is unchanged" cmp -n $((mib + 4096)) "$tmp/data" <(bytes 0 $((mib + 4096)))
  check "$name: the data behind the range is unchanged" cmp -n $((2 * mib)) -i $((5 * mib + 4096)):0 "$tmp/data" \
    <(bytes $((5 * mib + 4096)) $((2 * mib)))
done
check "the whole disk is zeroed" blkdiscard --zeroout --force "$disk"
check "the zeroed disk reads as zeroes" sh -c "cmp -n $((16 * mib)) /dev/zero -" < <(bytes $((40 * mib)) $((16 * mib)))
check "the whole disk is discarded" blkdiscard --force "$disk"

modprobe ext4
check "mkfs.ext4" /sbin/mkfs.ext4 -q -F "$disk"
mkdir -p /mnt/blk
check "mount" mount "$disk" /mnt/blk
check "files" sh -c 'head -c 8M /dev/urandom >/mnt/blk/a && cp /mnt/blk/a /mnt/blk/b && sync -f /mnt/blk/b'
check "unmount" umount /mnt/blk
check "fsck" /sbin/e2fsck -fn "$disk"
check "mount again" mount "$disk" /mnt/blk
check "both files are the same" cmp /mnt/blk/a /mnt/blk/b
check "a large file" sh -c 'head -c 96M /dev/urandom >/mnt/blk/c && sync -f /mnt/blk/c'
rm /mnt/blk/c
sync -f /mnt/blk
check "fstrim" fstrim -v /mnt/blk
check "the files are still the same" cmp /mnt/blk/a /mnt/blk/b
check "unmount again" umount /mnt/blk
check "fsck again" /sbin/e2fsck -fn "$disk"
equal "the kernel logs no error" "" \
  "$(dmesg | grep -E 'vda|virtio_blk|EXT4' | grep -Ei 'error|fail|warn|bug|corrupt' || true)"
finish
