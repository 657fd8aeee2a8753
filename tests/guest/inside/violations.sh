#!/bin/bash
# A host-managed disk refuses violations with the standard's sense.
. "$(dirname "$0")/lib.sh"
use_disk "$@"
first=$(zone_lba "$ZB_CONVENTIONAL")
second=$((first + zone_blocks))
physical=$((ZB_PHYSICAL / ZB_BLOCK))
blocks=$((ZB_SIZE / ZB_BLOCK))

refused "write ahead of the pointer" 'Unaligned write command' raw_write $((first + 8)) 8
check "write at the pointer" raw_write "$first" 8
refused "write behind the pointer" 'Unaligned write command' raw_write "$first" 8
equal "a refused write moves nothing" "Implicitly opened $((first + 8))" "$(zone_at "$ZB_CONVENTIONAL")"
refused "write beyond the last block" 'block address out of range' raw_write "$blocks" 8
refused "read beyond the last block" 'block address out of range' raw_read $((blocks - 8)) 16
if [ "$physical" -eq 1 ]; then
  skipped "write of half a physical block" "physical and logical blocks have the same size"
elif [ "${1:-}" = scsi_debug ]; then
  skipped "write of half a physical block" "scsi_debug takes it"
else
  refused "write of half a physical block" 'Unaligned write command' raw_write $((first + 8)) $((physical / 2))
fi

# Fill the zone through the kernel up to eight blocks before its end, then write across the end.
check "fill a zone but for 8 blocks" dd if=/dev/zero of="$disk" bs="$ZB_ZONE_SIZE" count=1 iflag=fullblock \
  iflag=count_bytes count=$((ZB_ZONE_SIZE - 8 * ZB_BLOCK)) seek=$((second * ZB_BLOCK)) \
  oflag=direct,seek_bytes conv=notrunc status=none
refused "write across a zone boundary" 'Write boundary violation' raw_write $((second + zone_blocks - 8)) 16
check "fill the last 8 blocks" raw_write $((second + zone_blocks - 8)) 8
refused "write to a full zone" 'Invalid field in cdb' raw_write "$second" 8
check "read across a boundary between sequential zones" raw_read $((second - 8)) 16

refused "open of a conventional zone" 'Illegal request|Invalid field' sg_zone --open --zone=0 "$disk"
refused "reset not at a zone's start" 'Illegal request|Invalid field' sg_reset_wp --zone=$((first + 1)) "$disk"
refused "finish beyond the end" 'Illegal request|out of range' sg_zone --finish --zone="$blocks" "$disk"
refused "an unknown command" 'Invalid command operation code' sg_raw "$disk" c1 00 00 00 00 00 00 00 00 00
refused "an unknown service action" 'Invalid field in cdb|Invalid command operation code' \
  sg_raw "$disk" 94 1f 00 00 00 00 00 00 00 00 00 00 00 00 00 00

check "all zones reset" sg_reset_wp --all "$disk"
for ((zone = ZB_CONVENTIONAL; zone < ZB_CONVENTIONAL + ZB_MAX_OPEN; zone++)); do
  sg_zone --open --zone="$(zone_lba "$zone")" "$disk" || fail "explicit open number $((zone - ZB_CONVENTIONAL + 1))"
done
equal "the limit of open zones is reached" "$ZB_MAX_OPEN" "$(count_zones 3)"
next=$(zone_lba "$zone")
refused "an open of one more zone" 'Insufficient zone resources' sg_zone --open -v --zone="$next" "$disk"
refused "a write to one more zone" 'Insufficient zone resources' raw_write "$next" 8
check "a write to an open zone" raw_write "$first" 8
check "close one zone" sg_zone --close --zone="$first" "$disk"
check "afterwards the other zone can be opened" sg_zone --open --zone="$next" "$disk"
check "all zones reset again" sg_reset_wp --all "$disk"
for ((zone = ZB_CONVENTIONAL; zone <= ZB_CONVENTIONAL + ZB_MAX_OPEN; zone++)); do
  raw_write "$(zone_lba "$zone")" 8 >/dev/null 2>&1 || fail "implicit open number $((zone - ZB_CONVENTIONAL + 1))"
done
equal "an implicitly open zone was closed to make room" "$ZB_MAX_OPEN 1" "$(count_zones 2) $(count_zones 4)"
finish
