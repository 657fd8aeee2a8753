#!/bin/bash
# A zonefs: every zone a file, written by appending, emptied and filled up by truncating.
. "$(dirname "$0")/zoned-lib.sh"
here=$(dirname "$0") mount=/mnt/zonefs
modprobe zonefs || skip "this kernel has no zonefs"
mkdir -p "$mount"
blkzone reset "$disk"

check "its super block" "$here/make-zonefs.py" "$disk"
# A sequential zone with the super block is finished: it is never to be written again.
[ "$ZB_CONVENTIONAL" -gt 0 ] || check "finish the super block's zone" on_zones finish 0
mount -t zonefs "$disk" "$mount" || give_up "mount" "$(dmesg | tail -n 12)"
pass "mount"
# The super block's zone is no file. Conventional zones are files of their own folder.
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
# add BYTES: from /tmp/zonefs to the file's end, one write.
add() { dd if=/tmp/zonefs of="$file" bs="$1" count=1 iflag=fullblock oflag=direct,append conv=notrunc status=none; }
head -c "$ZB_CAPACITY" /dev/urandom >/tmp/zonefs

equal "empty at first" 0 "$(size)"
for turn in 1 2 3; do check "append 64 KiB ($turn)" add 65536; done
equal "it grows" 196608 "$(size)"
equal "the zone's pointer goes with it" "oi 384" "$(zone_is $zone)"
check "it reads back" cmp /tmp/zonefs <(dd if="$file" bs=65536 skip=1 count=1 iflag=direct status=none) -n 65536
refused "no write but at the end" 'Invalid argument' \
  dd if=/tmp/zonefs of="$file" bs=4096 count=1 seek=4 oflag=direct conv=notrunc status=none
refused "no truncating to some length" 'Operation not permitted' truncate -s 65536 "$file"
check "truncate to nothing" truncate -s 0 "$file"
equal "it is empty" "0 em 0" "$(size) $(zone_is $zone)"
check "append 256 KiB" add 262144
check "truncate to all" truncate -s "$ZB_CAPACITY" "$file"
equal "it is full" "$ZB_CAPACITY fu -" "$(size) $(zone_is $zone)"
check "what was written is there" cmp -n 262144 /tmp/zonefs "$file"
refused "a full one takes no more" 'File too large|No space|not permitted' add 4096
check "truncate to nothing again" truncate -s 0 "$file"
# As it would be written by programs: large requests, several files, then everything read.
for number in 0 1 2 3; do
  file=$mount/seq/$number
  check "fill file $number" dd if=/tmp/zonefs of="$file" bs=256k oflag=direct,append conv=notrunc,fsync status=none
done
if [ "$ZB_CONVENTIONAL" -gt 1 ]; then
  check "a conventional zone's file takes writes anywhere" \
    dd if=/tmp/zonefs of="$mount/cnv/0" bs=4096 count=1 seek=7 oflag=direct conv=notrunc status=none
fi
check "unmount" umount "$mount"
equal "four are full" "fu fu fu fu" "$(for i in 0 1 2 3; do zone_is $((zone + i)); done | cut -d' ' -f1 | paste -sd' ')"
check "mount again" mount -t zonefs "$disk" "$mount"
for number in 0 1 2 3; do
  check "file $number is as written" cmp /tmp/zonefs "$mount/seq/$number"
done
file=$mount/seq/4
equal "the fifth is empty" 0 "$(size)"
check "unmount again" umount "$mount"
no_match "no complaint from the kernel" . "$(kernel_complaints)"
finish
