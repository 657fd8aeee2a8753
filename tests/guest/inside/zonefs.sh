#!/bin/bash
# A zonefs: each zone is a file, which is written by appending, and emptied or filled by truncating.
. "$(dirname "$0")/zoned-lib.sh"
here=$(dirname "$0") mount=/mnt/zonefs
modprobe zonefs || skip "this kernel has no zonefs"
mkdir -p "$mount"
blkzone reset "$disk"

check "write the super block" "$here/make-zonefs.py" "$disk"
# A sequential zone with the super block is finished, because it is never written again.
[ "$ZB_CONVENTIONAL" -gt 0 ] || check "finish the super block's zone" on_zones finish 0
mount -t zonefs "$disk" "$mount" || give_up "mount" "$(dmesg | tail -n 12)"
pass "mount"
# The super block's zone is not a file. Conventional zones are files in a folder of their own.
if [ "$ZB_CONVENTIONAL" -gt 0 ]; then
  equal "a file for each zone" "$((zones - ZB_CONVENTIONAL)) $((ZB_CONVENTIONAL - 1))" \
    "$(find "$mount/seq" -type f | wc -l) $(find "$mount/cnv" -type f 2>/dev/null | wc -l)"
  zone=$ZB_CONVENTIONAL
else
  equal "a file for each zone" $((zones - 1)) "$(find "$mount/seq" -type f | wc -l)"
  zone=1
fi
file=$mount/seq/0
size() { stat -c %s "$file"; }
# add BYTES: appends from /tmp/zonefs to the file, in one write.
add() { dd if=/tmp/zonefs of="$file" bs="$1" count=1 iflag=fullblock oflag=direct,append conv=notrunc status=none; }
head -c "$ZB_CAPACITY" /dev/urandom >/tmp/zonefs

equal "the file is empty at first" 0 "$(size)"
for turn in 1 2 3; do check "append 64 KiB ($turn)" add 65536; done
equal "the file has grown" 196608 "$(size)"
equal "the zone's pointer is the file's end" "oi 384" "$(zone_is $zone)"
check "the file reads back" cmp /tmp/zonefs <(dd if="$file" bs=65536 skip=1 count=1 iflag=direct status=none) -n 65536
refused "a write not at the file's end" 'Invalid argument' \
  dd if=/tmp/zonefs of="$file" bs=4096 count=1 seek=4 oflag=direct conv=notrunc status=none
refused "truncate to another length" 'Operation not permitted' truncate -s 65536 "$file"
check "truncate to zero" truncate -s 0 "$file"
equal "the file and the zone are empty" "0 em 0" "$(size) $(zone_is $zone)"
check "append 256 KiB" add 262144
check "truncate to the capacity" truncate -s "$ZB_CAPACITY" "$file"
equal "the file and the zone are full" "$ZB_CAPACITY fu -" "$(size) $(zone_is $zone)"
check "the full file keeps its data" cmp -n 262144 /tmp/zonefs "$file"
refused "an append to a full file" 'File too large|No space|not permitted' add 4096
check "truncate to zero again" truncate -s 0 "$file"
# Fill several files with large requests, and read all of them after the next mount.
for number in 0 1 2 3; do
  file=$mount/seq/$number
  check "fill file $number" dd if=/tmp/zonefs of="$file" bs=256k oflag=direct,append conv=notrunc,fsync status=none
done
if [ "$ZB_CONVENTIONAL" -gt 1 ]; then
  check "a conventional zone's file takes writes anywhere" \
    dd if=/tmp/zonefs of="$mount/cnv/0" bs=4096 count=1 seek=7 oflag=direct conv=notrunc status=none
else
  skipped "a conventional zone's file takes writes anywhere" \
    "this disk has no conventional zone besides the super block's"
fi
check "unmount" umount "$mount"
equal "the four zones are full" "fu fu fu fu" "$(for i in 0 1 2 3; do zone_is $((zone + i)); done | cut -d' ' -f1 | paste -sd' ')"
check "mount again" mount -t zonefs "$disk" "$mount"
for number in 0 1 2 3; do
  check "file $number is as written" cmp /tmp/zonefs "$mount/seq/$number"
done
file=$mount/seq/4
equal "the fifth file is empty" 0 "$(size)"
check "unmount again" umount "$mount"
no_match "the kernel logs no error" . "$(kernel_complaints)"
finish
