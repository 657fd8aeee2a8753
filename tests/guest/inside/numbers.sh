#!/bin/bash
# Linux sees a host-managed disk with the sizes and limits that the disk was created with.
. "$(dirname "$0")/lib.sh"
use_disk "$@"

boot=$(dmesg)
match "kernel: host-managed line" "\[$name\] Host-managed zoned block device" "$boot"
match "kernel: zones line" "\[$name\] $zones zones of $zone_blocks logical blocks" "$boot"
match "kernel: size line" "\[$name\] $((ZB_SIZE / ZB_BLOCK)) $ZB_BLOCK-byte logical blocks" "$boot"
match "kernel: write cache with FUA" "\[$name\] Write cache: enabled.*supports DPO and FUA" "$boot"

equal "queue: zoned" host-managed "$(cat "$queue/zoned")"
equal "queue: zone size" "$zone_sectors" "$(cat "$queue/chunk_sectors")"
equal "queue: zones" "$zones" "$(cat "$queue/nr_zones")"
equal "queue: open limit" "$ZB_MAX_OPEN" "$(cat "$queue/max_open_zones")"
equal "queue: no active limit" 0 "$(cat "$queue/max_active_zones")"
equal "queue: logical block" "$ZB_BLOCK" "$(cat "$queue/logical_block_size")"
equal "queue: physical block" "$ZB_PHYSICAL" "$(cat "$queue/physical_block_size")"
equal "queue: write granularity" "$ZB_PHYSICAL" "$(cat "$queue/zone_write_granularity")"
equal "queue: size" "$((ZB_SIZE / 512))" "$(cat "/sys/block/$name/size")"

# lsblk prints sizes with units.
match "lsblk -z" "^$name +host-managed +$((ZB_ZONE_SIZE >> 20))M +$zones +0 +$ZB_MAX_OPEN " "$(lsblk -z "$disk")"

report=$(blkzone report "$disk")
equal "blkzone: zones" "$zones" "$(wc -l <<<"$report")"
equal "blkzone: conventional zones" "$ZB_CONVENTIONAL" "$(grep -c 'type: 1(CONVENTIONAL)' <<<"$report")"
equal "blkzone: all other zones are sequential and empty" $((zones - ZB_CONVENTIONAL)) \
  "$(grep -c 'wptr 0x000000 .*zcond: 1(em) \[type: 2(SEQ_WRITE_REQUIRED)\]' <<<"$report")"
last=$(printf 'start: 0x%09x, len 0x%06x, cap 0x%06x' $(((zones - 1) * zone_sectors)) $zone_sectors $zone_sectors)
match "blkzone: last zone" "$last" "$(tail -n 1 <<<"$report")"

# A write through the kernel moves the pointer, the data reads back, and a reset empties the zone.
zone=$ZB_CONVENTIONAL offset=$((ZB_CONVENTIONAL * ZB_ZONE_SIZE))
head -c 65536 /dev/urandom >/tmp/numbers
check "write 64 KiB" dd if=/tmp/numbers of="$disk" bs=64K seek=$offset oflag=direct,seek_bytes conv=notrunc status=none
match "the write moves the pointer" "wptr 0x000080 .*zcond: 2\(oi\)" "$(blkzone report -o $((zone * zone_sectors)) -c 1 "$disk")"
dd if="$disk" of=/tmp/numbers.read bs=64K skip=$offset count=1 iflag=direct,skip_bytes status=none
check "the data reads back the same" cmp /tmp/numbers /tmp/numbers.read
equal "data past the pointer reads as zeroes" 0 \
  "$(dd if="$disk" bs=64K skip=$((offset + 65536)) count=1 iflag=direct,skip_bytes status=none | tr -d '\0' | wc -c)"
no_match "the kernel logs no error" . "$(kernel_complaints)"
refused "write behind the pointer" 'Input/output error' \
  dd if=/tmp/numbers of="$disk" bs=64K seek=$offset oflag=direct,seek_bytes conv=notrunc status=none
check "blkzone reset" blkzone reset -o $((zone * zone_sectors)) -c 1 "$disk"
match "reset empties the zone" "wptr 0x000000 .*zcond: 1\(em\)" "$(blkzone report -o $((zone * zone_sectors)) -c 1 "$disk")"
check "a write inside a conventional zone" \
  dd if=/tmp/numbers of="$disk" bs=64K seek=3 count=1 oflag=direct conv=notrunc status=none
finish
