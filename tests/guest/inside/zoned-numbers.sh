#!/bin/bash
# A zoned disk's sizes and limits in sysfs, and reports from any position and of any length.
. "$(dirname "$0")/zoned-lib.sh"
check "reset all zones" blkzone reset "$disk"

equal "queue: zoned" host-managed "$(cat "$queue/zoned")"
equal "queue: size" "$((ZB_SIZE / 512))" "$(cat "/sys/block/$name/size")"
equal "queue: zone size" "$zone_sectors" "$(cat "$queue/chunk_sectors")"
equal "queue: zones" "$zones" "$(cat "$queue/nr_zones")"
equal "queue: open limit" "$ZB_MAX_OPEN" "$(cat "$queue/max_open_zones")"
equal "queue: active limit" "$ZB_MAX_ACTIVE" "$(cat "$queue/max_active_zones")"
equal "queue: logical block" "$ZB_BLOCK" "$(cat "$queue/logical_block_size")"
equal "queue: physical block" "$ZB_PHYSICAL" "$(cat "$queue/physical_block_size")"
equal "queue: write cache" "$ZB_CACHE" "$(cat "$queue/write_cache")"
equal "queue: no discard" 0 "$(cat "$queue/discard_max_bytes")"
equal "queue: no write zeroes" 0 "$(cat "$queue/write_zeroes_max_bytes")"
append=$(cat "$queue/zone_append_max_bytes")
if [ "$append" -gt 0 ] && [ $((append % ZB_PHYSICAL)) -eq 0 ] && [ "$append" -le "$ZB_ZONE_SIZE" ]; then
  pass "queue: appends of up to $append bytes"
else
  fail "queue: appends of whole physical blocks within a zone" "zone_append_max_bytes is $append"
fi
match "queue: more than one segment per request" '^([2-9]|[0-9]{2,})$' "$(cat "$queue/max_segments")"

# report FROM-SECTOR [COUNT]: blkzone's report.
report() { blkzone report -o "$1" ${2:+-c "$2"} "$disk"; }
# starts: the starts of the zones in a report, in sectors.
starts() { sed -En 's/.*start: (0x[0-9a-f]+),.*/\1/p' | while read -r start; do echo $((start)); done; }

whole=$(report 0)
equal "report: every zone" "$zones" "$(wc -l <<<"$whole")"
equal "report: the zones follow each other" "$(seq 0 $zone_sectors $(((zones - 1) * zone_sectors)))" "$(starts <<<"$whole")"
equal "report: conventional zones, of full length" "$ZB_CONVENTIONAL" \
  "$(grep -c "$(printf 'len 0x%06x, cap 0x%06x, .*zcond: 0(nw) .type: 1(CONVENTIONAL)' $zone_sectors $zone_sectors)" <<<"$whole")"
equal "report: all other zones are sequential and empty, with the capacity" $((zones - ZB_CONVENTIONAL)) \
  "$(grep -c "$(printf 'len 0x%06x, cap 0x%06x, wptr 0x000000 .*zcond: 1(em) .type: 2(SEQ_WRITE_REQUIRED)' \
    $zone_sectors $capacity_sectors)" <<<"$whole")"
middle=$((zones / 2))
equal "report: from a zone's start" "$((middle * zone_sectors))" "$(report $((middle * zone_sectors)) 1 | starts)"
equal "report: from inside a zone" "$((middle * zone_sectors))" "$(report $((middle * zone_sectors + 8)) 1 | starts)"
equal "report: from a zone's last block" "$((middle * zone_sectors))" \
  "$(report $(((middle + 1) * zone_sectors - ZB_BLOCK / 512)) 1 | starts)"
equal "report: to the end" $((zones - middle)) "$(report $((middle * zone_sectors)) | wc -l)"
equal "report: as many zones as requested" 7 "$(report $((3 * zone_sectors)) 7 | wc -l)"
equal "report: no zone beyond the last" 2 "$(report $(((zones - 2) * zone_sectors)) 7 | wc -l)"
refused "report: from past the end" 'offset is greater than or equal to' report $((zones * zone_sectors))

# This report reads the zones from the disk again.
equal "a reset all leaves every zone empty" $((zones - ZB_CONVENTIONAL)) "$(zones_in em)"
no_match "the kernel logs no error" . "$(kernel_complaints)"
finish
