#!/bin/bash
# The open and the active limit, hit on purpose: the kernel's own error for each, and the way on.
. "$(dirname "$0")/zoned-lib.sh"
kib4=4096
# ETOOMANYREFS and EOVERFLOW, as the kernel names the limits to programs.
too_many_open='Too many references' too_many_active='Value too large'
blkzone reset "$disk"
last() { echo $((first + $1 - 1)); }

if [ "$ZB_MAX_OPEN" -eq 0 ]; then
  skipped "the open limit" "this disk has none"
else
  error=$too_many_open
  # Where both are exceeded, the active limit is named.
  [ "$ZB_MAX_ACTIVE" -eq 0 ] || [ "$ZB_MAX_ACTIVE" -gt "$ZB_MAX_OPEN" ] || error=$too_many_active
  next=$(($(last "$ZB_MAX_OPEN") + 1))
  check "open as many zones as may be" on_zones open "$first" "$ZB_MAX_OPEN"
  equal "so many are open" "$ZB_MAX_OPEN" "$(zones_in oe)"
  refused "one more open" "$error" on_zones open $next
  refused "a write to one more" "$error" put $next 0 $kib4
  equal "that zone is empty" "em 0" "$(zone_is $next)"
  check "a write to an open one" put "$first" 0 $kib4
  equal "it is open" "oe 8" "$(zone_is "$first")"
  refused "still one more open" "$error" on_zones open $next
  check "close one without data" on_zones close $((first + 1))
  check "then the other opens" on_zones open $next
  check "finish one" on_zones finish "$first"
  check "then there is room to write" put $((first + 1)) 0 $kib4
  check "reset all zones" blkzone reset "$disk"
  # What writes have opened makes room by itself, as long as zones may be active.
  if [ "$ZB_MAX_ACTIVE" -eq 0 ] || [ "$ZB_MAX_ACTIVE" -gt "$ZB_MAX_OPEN" ]; then
    for ((zone = first; zone <= next; zone++)); do
      put "$zone" 0 $kib4 || fail "a write to zone number $((zone - first + 1))"
    done
    equal "an implicitly open zone made room" "$ZB_MAX_OPEN 1" "$(zones_in oi) $(zones_in cl)"
    check "reset all zones again" blkzone reset "$disk"
  else
    skipped "an implicitly open zone makes room" "no more may be active than open"
  fi
fi

if [ "$ZB_MAX_ACTIVE" -eq 0 ]; then
  skipped "the active limit" "this disk has none"
else
  next=$(($(last "$ZB_MAX_ACTIVE") + 1))
  for ((zone = first; zone < next; zone++)); do
    put "$zone" 0 $kib4 || fail "a write to zone number $((zone - first + 1))"
  done
  equal "as many are active as may be" "$ZB_MAX_ACTIVE" "$(zones_in 'oi|oe|cl')"
  refused "a write to one more" "$too_many_active" put $next 0 $kib4
  refused "one more open" "$too_many_active" on_zones open $next
  equal "that zone is empty" "em 0" "$(zone_is $next)"
  check "an active one goes on" put "$first" $kib4 $kib4
  check "close all that are open" on_zones close "$first" "$ZB_MAX_ACTIVE"
  equal "they stay active" "$ZB_MAX_ACTIVE" "$(zones_in cl)"
  refused "and still take the room" "$too_many_active" put $next 0 $kib4
  # After a failed write the kernel refuses others in the zone until its pointer was asked for.
  equal "that zone is still empty" "em 0" "$(zone_is $next)"
  check "finish one" on_zones finish "$first"
  check "then there is room to write" put $next 0 $kib4
  refused "for one zone" "$too_many_active" put $((next + 1)) 0 $kib4
  equal "and no other" "em 0" "$(zone_is $((next + 1)))"
  check "reset one" on_zones reset $((first + 1))
  check "then there is room again" put $((next + 1)) 0 $kib4
  check "write one whole" put $((first + 2)) $kib4 $((ZB_CAPACITY - kib4))
  equal "it is full" "fu -" "$(zone_is $((first + 2)))"
  check "then there is room again" on_zones open $((next + 2))
  equal "as many are active as may be" "$ZB_MAX_ACTIVE" "$(zones_in 'oi|oe|cl')"
  check "reset all zones at the end" blkzone reset "$disk"
fi
equal "all are empty" $((zones - ZB_CONVENTIONAL)) "$(zones_in em)"
no_match "the kernel is well" 'WARNING|BUG|Oops|hung task|blocked for' "$(dmesg)"
finish
