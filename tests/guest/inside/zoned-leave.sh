#!/bin/bash
# Leaves one zone in each state, and saves the kernel's report, which the host compares with the disk.
. "$(dirname "$0")/zoned-lib.sh"
blkzone reset "$disk"
check "write to a zone, which is then implicitly open" put "$first" 0 65536
check "open a zone explicitly" on_zones open $((first + 1))
check "write to a zone that will be closed" put $((first + 2)) 0 131072
check "close the zone" on_zones close $((first + 2))
check "write a whole zone" put $((first + 3)) 0 "$ZB_CAPACITY"
check "write to a zone that will be finished" put $((first + 4)) 0 65536
check "finish the zone" on_zones finish $((first + 4))
check "write to the last zone" put $((zones - 1)) 0 4096
equal "the states of these zones" "oi oe cl fu fu em oi" \
  "$(for zone in 0 1 2 3 4 5 $((zones - 1 - first)); do zone_is $((first + zone)); done | cut -d' ' -f1 | paste -sd' ')"
[ -z "${ZB_REPORTS:-}" ] || check "save the disk's report" sh -c "blkzone report $disk >$ZB_REPORTS/$name"
no_match "the kernel logs no error" . "$(kernel_complaints)"
finish
