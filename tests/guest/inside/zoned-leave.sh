#!/bin/bash
# One zone of each state, and the kernel's report of all of them to compare with outside.
. "$(dirname "$0")/zoned-lib.sh"
blkzone reset "$disk"
check "an implicitly open zone" put "$first" 0 65536
check "one explicitly open" on_zones open $((first + 1))
check "one to be closed" put $((first + 2)) 0 131072
check "close it" on_zones close $((first + 2))
check "one written whole" put $((first + 3)) 0 "$ZB_CAPACITY"
check "one to be finished" put $((first + 4)) 0 65536
check "finish it" on_zones finish $((first + 4))
check "the last zone" put $((zones - 1)) 0 4096
equal "they are so" "oi oe cl fu fu em oi" \
  "$(for zone in 0 1 2 3 4 5 $((zones - 1 - first)); do zone_is $((first + zone)); done | cut -d' ' -f1 | paste -sd' ')"
[ -z "${ZB_REPORTS:-}" ] || check "its report" sh -c "blkzone report $disk >$ZB_REPORTS/$name"
no_match "no complaint from the kernel" . "$(kernel_complaints)"
finish
