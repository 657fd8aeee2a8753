#!/bin/bash
# Checks the disk after a guest was killed: synced data is there, all data below a write pointer is the
# pattern, and zones take writes at their pointers. ZB_SYNCED ("ZONE BYTES;...") says what was synced.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pattern.sh"
use_disk "$@"

tr ';' '\n' <<<"$ZB_SYNCED" | while read -r zone bytes; do [ -z "$zone" ] || echo "$zone $bytes"; done >/tmp/synced
last=$ZB_CONVENTIONAL
while read -r zone bytes; do
  read -r _ pointer <<<"$(zone_at "$zone" | sed 's/ly opened/ly-opened/')"
  condition=$(zone_at "$zone")
  case $condition in
    Full*) written=$ZB_ZONE_SIZE ;;
    *) written=$(((pointer - $(zone_lba "$zone")) * ZB_BLOCK)) ;;
  esac
  if [ "$written" -ge "$bytes" ]; then
    pass "zone $zone: the pointer is at or past the synced position"
  else
    fail "zone $zone: the pointer is at or past the synced position" "synced $bytes, pointer at $written ($condition)"
  fi
  pattern "$zone" | head -c "$written" >/tmp/expected
  dd if="$disk" bs=1M iflag=skip_bytes,count_bytes,direct skip=$((zone * ZB_ZONE_SIZE)) count="$written" \
    status=none >/tmp/found
  check "zone $zone: all data below the pointer is as written" cmp /tmp/expected /tmp/found
  equal "zone $zone: there is no data above the pointer" 0 "$(dd if="$disk" bs=1M iflag=skip_bytes,count_bytes \
    skip=$((zone * ZB_ZONE_SIZE + written)) count=$((ZB_ZONE_SIZE - written)) status=none | tr -d '\0' | wc -c)"
  if [ "$written" -lt "$ZB_ZONE_SIZE" ]; then
    check "zone $zone: a write at the pointer" raw_write "$pointer" 8
  fi
  [ "$zone" -le "$last" ] || last=$zone
done </tmp/synced
equal "zones never written are empty" $((zones - last - 3)) \
  "$(blkzone report -o $(((last + 3) * zone_sectors)) "$disk" | grep -c 'zcond: 1(em)')"
no_match "the kernel logs no error" . "$(kernel_complaints)"
finish
