#!/bin/bash
# Writes that a zoned disk must refuse. A refused write must not change a zone.
. "$(dirname "$0")/zoned-lib.sh"
blkzone reset "$disk"
error='Input/output error'
kib4=4096
second=$((first + 1))

# The kernel knows the pointer of a zone that it has written, and refuses other writes itself. The first
# write to a zone goes to the disk, at any position.
refused "a first write past the pointer" "$error" put "$first" $kib4 $kib4
equal "the refused first write changed nothing" "em 0" "$(zone_is "$first")"
check "a write at the pointer" put "$first" 0 $kib4
refused "a write ahead of the pointer" "$error" put "$first" $((3 * kib4)) $kib4
refused "a write behind the pointer" "$error" put "$first" 0 $kib4
equal "the writes not at the pointer changed nothing" "oi 8" "$(zone_is "$first")"
check "the next write at the pointer" put "$first" $kib4 $kib4
if [ "$ZB_PHYSICAL" -gt "$ZB_BLOCK" ]; then
  refused "a write of part of a physical block" "$error" put "$first" $((2 * kib4)) "$ZB_BLOCK"
  refused "a write of one and part of another physical block" "$error" put "$first" $((2 * kib4)) $((kib4 + ZB_BLOCK))
  equal "the writes of partial blocks changed nothing" "oi 16" "$(zone_is "$first")"
  check "a write of a whole physical block" put "$first" $((2 * kib4)) $kib4
else
  skipped "a write of part of a physical block" "physical and logical blocks have the same size"
fi

# The end of a zone's capacity.
blkzone reset "$disk"
check "fill a zone up to its last 4 KiB" put "$first" 0 $((ZB_CAPACITY - kib4))
check "write to the next zone" put "$second" 0 $kib4
refused "a write across the end" "$error" put "$first" $((ZB_CAPACITY - kib4)) $((2 * kib4))
if [ "$ZB_CAPACITY" -lt "$ZB_ZONE_SIZE" ]; then
  equal "the write across the end changed nothing" "oi $((capacity_sectors - 8))" "$(zone_is "$first")"
  check "a write up to the end" put "$first" $((ZB_CAPACITY - kib4)) $kib4
else
  # The kernel splits such a write in two, and the first part is valid.
  skipped "the write across the end changed nothing" "the kernel splits the write there"
fi
equal "the zone is full" "fu -" "$(zone_is "$first")"
equal "the next zone is unchanged" "oi 8" "$(zone_is "$second")"
refused "a write to a full zone" "$error" put "$first" 0 $kib4
if [ "$ZB_CAPACITY" -lt "$ZB_ZONE_SIZE" ]; then
  refused "a write past the capacity" "$error" put "$first" "$ZB_CAPACITY" $kib4
  equal "there is no data past the capacity" 0 \
    "$(get "$first" "$ZB_CAPACITY" $((ZB_ZONE_SIZE - ZB_CAPACITY)) | data)"
else
  skipped "a write past the capacity" "the capacity is the zone's size"
fi
equal "a read across two zones" $((2 * kib4)) "$(get "$first" $((ZB_ZONE_SIZE - kib4)) $((2 * kib4)) | wc -c)"

# Read-only and offline zones, if the disk has some.
read_only=$(blkzone report "$disk" | awk '/\(ro\)/ { print NR - 1; exit }')
offline=$(blkzone report "$disk" | awk '/\(of\)/ { print NR - 1; exit }')
if [ -n "$read_only" ]; then
  refused "a write to a read-only zone" "$error" put "$read_only" 0 $kib4
  refused "a reset of a read-only zone" "$error" on_zones reset "$read_only"
  equal "a read of a read-only zone" $kib4 "$(get "$read_only" 0 $kib4 | wc -c)"
else
  skipped "read-only zones" "this disk has none"
fi
if [ -n "$offline" ]; then
  refused "a write to an offline zone" "$error" put "$offline" 0 $kib4
  refused "a reset of an offline zone" "$error" on_zones reset "$offline"
  refused "a read of an offline zone" "$error" get "$offline" 0 $kib4
else
  skipped "offline zones" "this disk has none"
fi
check "reset all zones" blkzone reset "$disk"
no_match "the kernel logs no warning" 'WARNING|BUG|Oops|hung task|blocked for' "$(dmesg)"
finish
