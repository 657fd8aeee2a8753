#!/bin/bash
# A zoned btrfs: made, written, synced, scrubbed, mounted again, and every file as it was.
. "$(dirname "$0")/lib.sh"
use_disk "$@"
mount=/mnt/zoned
mkdir -p "$mount"
modprobe btrfs || skip "this kernel has no btrfs"

made=$(mkfs.btrfs --force --metadata single --data single --features zoned --csum crc32c "$disk" 2>&1) ||
  give_up "mkfs.btrfs" "$made"
pass "mkfs.btrfs"
match "mkfs.btrfs: zoned mode" 'Zoned device: +yes' "$made"
# Zone appends as they are issued to the disk: the requests with data that the kernel traces as neither
# read nor write ("N" to Linux 6.12, "ZA" later), and that go to a zone's start.
trace=/sys/kernel/tracing
if [ -n "${ZB_NATIVE_APPEND:-}" ]; then
  mountpoint -q $trace || mount -t tracefs none $trace
  echo 'nr_sector > 0 && (rwbs ~ "N*" || rwbs ~ "ZA*")' >$trace/events/block/block_rq_issue/filter
  echo >$trace/trace
  echo 1 >$trace/events/block/block_rq_issue/enable
fi
mount -t btrfs "$disk" "$mount" || give_up "mount" "$(dmesg | tail -n 12)"
pass "mount"
match "the kernel mounts it zoned" 'BTRFS.*zoned mode enabled' "$(dmesg)"

for i in 1 2 3 4 5 6 7 8; do
  head -c $((i * 300000)) /dev/urandom >"$mount/file$i"
done
mkdir "$mount/many"
for i in $(seq 100); do echo "small file $i" >"$mount/many/$i"; done
(cd "$mount" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >/tmp/sums
check "sync" btrfs filesystem sync "$mount"
# Overwriting makes garbage in zones, and new writes elsewhere.
head -c 3000000 /dev/urandom >"$mount/file8"
rm "$mount/file1" && sed -i '\|\./file1$|d; \|\./file8$|d' /tmp/sums
(cd "$mount" && sha256sum ./file8) >>/tmp/sums
sync
check "scrub" btrfs scrub start -B "$mount"
no_match "scrub finds no error" 'errors? found: +[1-9]|csum=[1-9]' "$(btrfs scrub status "$mount")"
check "unmount" umount "$mount"
if [ -n "${ZB_NATIVE_APPEND:-}" ]; then
  echo 0 >$trace/events/block/block_rq_issue/enable
  appends=$(awk -v zone="$zone_sectors" '/block_rq_issue:/ {
      for (i = 2; i < NF; i++) if ($i == "+" && $(i - 1) % zone == 0) count++
    } END { print count + 0 }' $trace/trace)
  check "its data went by zone appends ($appends)" test "$appends" -gt 0
else
  skipped "its data goes by zone appends" "the kernel makes writes of them for this disk"
fi
check "btrfs check" btrfs check "$disk"
check "mount again" mount -t btrfs "$disk" "$mount"
check "every file is as written" bash -c "cd $mount && sha256sum --quiet --check /tmp/sums"
no_match "device statistics are clean" ' [1-9][0-9]*$' "$(btrfs device stats "$mount")"
check "unmount again" umount "$mount"
# For outside, to compare.
[ -z "${ZB_REPORT:-}" ] || blkzone report "$disk" >"$ZB_REPORT"
no_match "no complaint from the kernel" . "$(kernel_complaints)"
finish
