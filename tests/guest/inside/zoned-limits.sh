#!/bin/bash
# Exceeds the limits of open and of active zones: the kernel's error for each, and how to make room.
. "$(dirname "$0")/zoned-lib.sh"
kib4=4096
# The kernel reports the two limits to programs as ETOOMANYREFS and EOVERFLOW.
too_many_open='Too many references' too_many_active='Value too large'
blkzone reset "$disk"
last() { echo $((first + $1 - 1)); }

if [ "$ZB_MAX_OPEN" -eq 0 ]; then
  skipped "the open limit" "this disk has none"
else
  error=$too_many_open
  # If both limits are exceeded, the error is that of the active limit.
  [ "$ZB_MAX_ACTIVE" -eq 0 ] || [ "$ZB_MAX_ACTIVE" -gt "$ZB_MAX_OPEN" ] || error=$too_many_active
  next=$(($(last "$ZB_MAX_OPEN") + 1))
  check "open as many zones as the limit allows" on_zones open "$first" "$ZB_MAX_OPEN"
  equal "all these zones are open" "$ZB_MAX_OPEN" "$(zones_in oe)"
  refused "open limit: an open of one more zone" "$error" on_zones open $next
  refused "open limit: a write to one more zone" "$error" put $next 0 $kib4
  equal "open limit: the refused zone is empty" "em 0" "$(zone_is $next)"
  check "open limit: a write to an open zone" put "$first" 0 $kib4
  equal "open limit: the written zone is open" "oe 8" "$(zone_is "$first")"
  refused "open limit: an open of one more zone after that write" "$error" on_zones open $next
  check "open limit: close a zone without data" on_zones close $((first + 1))
  check "open limit: afterwards another zone can be opened" on_zones open $next
  check "open limit: finish a zone" on_zones finish "$first"
  check "open limit: afterwards another zone can be written" put $((first + 1)) 0 $kib4
  check "reset all zones" blkzone reset "$disk"
  # The disk closes implicitly open zones to make room, while the active limit allows more active zones.
  if [ "$ZB_MAX_ACTIVE" -eq 0 ] || [ "$ZB_MAX_ACTIVE" -gt "$ZB_MAX_OPEN" ]; then
    for ((zone = first; zone <= next; zone++)); do
      put "$zone" 0 $kib4 || fail "a write to zone number $((zone - first + 1))"
    done
    equal "an implicitly open zone was closed to make room" "$ZB_MAX_OPEN 1" "$(zones_in oi) $(zones_in cl)"
    check "reset all zones again" blkzone reset "$disk"
  else
    skipped "an implicitly open zone was closed to make room" "no more zones may be active than open"
  fi
fi

if [ "$ZB_MAX_ACTIVE" -eq 0 ]; then
  skipped "the active limit" "this disk has none"
else
  next=$(($(last "$ZB_MAX_ACTIVE") + 1))
  for ((zone = first; zone < next; zone++)); do
    put "$zone" 0 $kib4 || fail "a write to zone number $((zone - first + 1))"
  done
  equal "the limit of active zones is reached" "$ZB_MAX_ACTIVE" "$(zones_in 'oi|oe|cl')"
  refused "active limit: a write to one more zone" "$too_many_active" put $next 0 $kib4
  refused "active limit: an open of one more zone" "$too_many_active" on_zones open $next
  equal "active limit: the refused zone is empty" "em 0" "$(zone_is $next)"
  check "active limit: a write to an active zone" put "$first" $kib4 $kib4
  check "active limit: close all open zones" on_zones close "$first" "$ZB_MAX_ACTIVE"
  equal "active limit: the closed zones stay active" "$ZB_MAX_ACTIVE" "$(zones_in cl)"
  refused "active limit: after the close, a write to one more zone" "$too_many_active" put $next 0 $kib4
  # After a failed write the kernel refuses all writes to the zone until the zone is reported.
  equal "active limit: the refused zone is still empty" "em 0" "$(zone_is $next)"
  check "active limit: finish a zone" on_zones finish "$first"
  check "active limit: afterwards another zone can be written" put $next 0 $kib4
  refused "active limit: a write to a second zone" "$too_many_active" put $((next + 1)) 0 $kib4
  equal "active limit: the zone refused last is empty" "em 0" "$(zone_is $((next + 1)))"
  check "active limit: reset a zone" on_zones reset $((first + 1))
  check "active limit: after the reset another zone can be written" put $((next + 1)) 0 $kib4
  check "active limit: fill a zone" put $((first + 2)) $kib4 $((ZB_CAPACITY - kib4))
  equal "active limit: the filled zone is full" "fu -" "$(zone_is $((first + 2)))"
  check "active limit: after that another zone can be opened" on_zones open $((next + 2))
  equal "the limit of active zones is reached again" "$ZB_MAX_ACTIVE" "$(zones_in 'oi|oe|cl')"
  check "reset all zones at the end" blkzone reset "$disk"
fi
equal "all sequential zones are empty" $((zones - ZB_CONVENTIONAL)) "$(zones_in em)"
no_match "the kernel logs no warning" 'WARNING|BUG|Oops|hung task|blocked for' "$(dmesg)"
finish
