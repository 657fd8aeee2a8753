#!/bin/bash
# Open, close, finish and reset, of one zone, of several and of all, and the state after each.
. "$(dirname "$0")/zoned-lib.sh"
kib64=65536
# The state after an open and a close without a write: empty on SCSI and virtio-blk, closed on NVMe.
unwritten=${ZB_CLOSED_UNWRITTEN:-em}
head -c $((3 * kib64)) /dev/urandom >/tmp/actions
blkzone reset "$disk"

# step WHAT EXPECTED COMMAND...: the command succeeds, and the first sequential zone is then as expected.
step() {
  local what=$1 expected=$2 output
  shift 2
  if output=$("$@" 2>&1); then
    equal "$what" "$expected" "$(zone_is "$first")"
  else
    fail "$what" "$output"
  fi
}
step "a write opens a zone" "oi 128" put "$first" 0 $kib64 /tmp/actions
step "close" "cl 128" on_zones close "$first"
step "close again" "cl 128" on_zones close "$first"
step "open a closed zone" "oe 128" on_zones open "$first"
step "open again" "oe 128" on_zones open "$first"
step "a write leaves the zone explicitly open" "oe 256" put "$first" $kib64 $kib64 /tmp/actions
step "close an explicitly open zone" "cl 256" on_zones close "$first"
step "a write opens a closed zone" "oi 384" put "$first" $((2 * kib64)) $kib64 /tmp/actions
step "open an implicitly open zone" "oe 384" on_zones open "$first"
for part in 0 1 2; do
  check "piece $part reads back as written" cmp -n $kib64 /tmp/actions <(get "$first" $((part * kib64)) $kib64)
done
equal "there is no data past the pointer" 0 "$(get "$first" $((3 * kib64)) $kib64 | data)"
step "finish" "fu -" on_zones finish "$first"
step "finish again" "fu -" on_zones finish "$first"
check "a finished zone keeps its data" cmp -n $kib64 /tmp/actions <(get "$first" $kib64 $kib64)
step "reset a full zone" "em 0" on_zones reset "$first"
step "reset an empty zone" "em 0" on_zones reset "$first"
equal "a reset zone has no data" 0 "$(get "$first" 0 $kib64 | data)"
step "open an empty zone" "oe 0" on_zones open "$first"
step "close an open zone without data" "$unwritten 0" on_zones close "$first"
step "finish an empty zone" "fu -" on_zones finish "$first"
step "reset a zone finished without data" "em 0" on_zones reset "$first"
check "write a whole zone" put "$first" 0 "$ZB_CAPACITY"
equal "the written zone is full" "fu -" "$(zone_is "$first")"

# Four zones at once: a full, an open, a closed and an empty zone.
put $((first + 1)) 0 $kib64 && put $((first + 2)) 0 $kib64 && on_zones close $((first + 2))
states() { for zone in 0 1 2 3; do zone_is $((first + zone)); done | paste -sd,; }
equal "four zones, each in another state" "fu -,oi 128,cl 128,em 0" "$(states)"
check "open the last three" on_zones open $((first + 1)) 3
equal "the last three are open" "fu -,oe 128,oe 128,oe 0" "$(states)"
check "close the last three" on_zones close $((first + 1)) 3
equal "the last three are closed" "fu -,cl 128,cl 128,$unwritten 0" "$(states)"
check "finish all four" on_zones finish "$first" 4
equal "all four are full" "fu -,fu -,fu -,fu -" "$(states)"
check "reset the middle two" on_zones reset $((first + 1)) 2
equal "the middle two are empty" "fu -,em 0,em 0,fu -" "$(states)"

# The disk's last zone, and all zones at once.
check "write to the last zone" put $((zones - 1)) 0 $kib64
equal "the pointer of the last zone" "oi 128" "$(zone_is $((zones - 1)))"
[ "$ZB_CONVENTIONAL" -eq 0 ] || put 0 0 $kib64 /tmp/actions
check "reset all zones" blkzone reset "$disk"
equal "all sequential zones are empty" $((zones - ZB_CONVENTIONAL)) "$(zones_in em)"

if [ "$ZB_CONVENTIONAL" -gt 0 ]; then
  check "a conventional zone keeps its data" cmp -n $kib64 /tmp/actions <(get 0 0 $kib64)
  check "a write at the end of a conventional zone" put 0 $((ZB_ZONE_SIZE - kib64)) $kib64 /tmp/actions
  check "a write over older data in a conventional zone" put 0 0 4096
  check "the data at the zone's end is unchanged" cmp -n $kib64 /tmp/actions <(get 0 $((ZB_ZONE_SIZE - kib64)) $kib64)
  equal "a conventional zone has no write pointer" "nw -" "$(zone_is 0)"
  no_match "the kernel logs no error" . "$(kernel_complaints)"
  for action in open close finish reset; do
    refused "$action of a conventional zone" 'Input/output error|Operation not' on_zones $action 0
  done
else
  skipped "conventional zones" "this disk has none"
  no_match "the kernel logs no error" . "$(kernel_complaints)"
fi
finish
