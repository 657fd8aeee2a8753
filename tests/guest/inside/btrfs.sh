#!/bin/bash
# A zoned btrfs: made, written, synced, scrubbed and mounted again; every file is as written.
. "$(dirname "$0")/lib.sh"
use_disk "$@"
mount=/mnt/zoned
mkdir -p "$mount"
modprobe btrfs || skip "this kernel has no btrfs"

made=$(mkfs.btrfs --force --metadata single --data single --features zoned --csum crc32c "$disk" 2>&1) ||
  give_up "mkfs.btrfs" "$made"
pass "mkfs.btrfs"
match "mkfs.btrfs: zoned mode" 'Zoned device: +yes' "$made"
# Trace the zone appends that the kernel issues to the disk: requests with data, to the start of a zone,
# that are traced as "N" (up to Linux 6.12) or "ZA" (later).
trace=/sys/kernel/tracing
if [ -n "${ZB_NATIVE_APPEND:-}" ]; then
  mountpoint -q $trace || mount -t tracefs none $trace
  echo 'nr_sector > 0 && (rwbs ~ "N*" || rwbs ~ "ZA*")' >$trace/events/block/block_rq_issue/filter
  echo >$trace/trace
  echo 1 >$trace/events/block/block_rq_issue/enable
fi
mount -t btrfs "$disk" "$mount" || give_up "mount" "$(dmesg | tail -n 12)"
pass "mount"
match "the kernel mounts btrfs in zoned mode" 'BTRFS.*zoned mode enabled' "$(dmesg)"

for i in 1 2 3 4 5 6 7 8; do
  head -c $((i * 300000)) /dev/urandom >"$mount/file$i"
done
mkdir "$mount/many"
for i in $(seq 100); do echo "small file $i" >"$mount/many/$i"; done
(cd "$mount" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >/tmp/sums
check "sync" btrfs filesystem sync "$mount"
# Overwritten and removed files leave old data in zones, and new data goes to other zones.
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
  check "btrfs used zone appends ($appends)" test "$appends" -gt 0
else
  skipped "btrfs used zone appends" "the kernel turns them into writes on this disk"
fi
check "btrfs check" btrfs check "$disk"
check "mount again" mount -t btrfs "$disk" "$mount"
check "every file is as written" bash -c "cd $mount && sha256sum --quiet --check /tmp/sums"
no_match "device statistics are clean" ' [1-9][0-9]*$' "$(btrfs device stats "$mount")"
check "unmount again" umount "$mount"
# The host compares this report with the disk.
[ -z "${ZB_REPORT:-}" ] || blkzone report "$disk" >"$ZB_REPORT"
no_match "the kernel logs no error" . "$(kernel_complaints)"
finish
