#!/bin/bash
# The tools of sg3_utils, which people use on real disks, get valid answers.
. "$(dirname "$0")/lib.sh"
use_disk "$@"
first=$ZB_CONVENTIONAL
sequential=$((zones - ZB_CONVENTIONAL))
blocks=$((ZB_SIZE / ZB_BLOCK))

inquiry=$(sg_inq "$disk")
match "sg_inq: host-managed device type" 'PDT=20 ' "$inquiry"
match "sg_inq: SPC-3 or later" 'version=0x0[5-9]' "$inquiry"
match "sg_inq: vendor and product" 'Product identification: .*[^ ]' "$inquiry"
pages=$(sg_vpd -p sv -r "$disk" | od -An -tx1 -v | paste -sd' ' | tr -s ' ')
case ${1:-} in
  scsi_debug) match "sg_vpd: the zoned page is listed" ' b6' "$pages" ;;
  *) equal "sg_vpd: the pages that Linux and the tools read, in order" " 14 00 00 09 00 80 83 86 87 b0 b1 b2 b6" "$pages" ;;
esac
match "sg_vpd bl: maximum transfer length" 'Maximum transfer length: [1-9][0-9]* blocks' "$(sg_vpd -p bl "$disk")"
match "sg_vpd bdc: ZONED is 0 for type 14h" 'ZONED=0' "$(sg_vpd -p bdc "$disk")"
check "sg_vpd di" sg_vpd -p di "$disk"
check "sg_vpd sn" sg_vpd -p sn "$disk"
zoned=$(sg_vpd -p zbdch "$disk")
match "sg_vpd zbdch: reads are unrestricted" 'URSWRZ: 1' "$zoned"
match "sg_vpd zbdch: open limit" "Maximum number of open sequential write required zones: $ZB_MAX_OPEN\$" "$zoned"

capacity=$(sg_readcap -l "$disk")
match "sg_readcap: last block" "Last LBA=$((blocks - 1)) .*Number of logical blocks=$blocks\$" "$capacity"
match "sg_readcap: block length" "Logical block length=$ZB_BLOCK bytes" "$capacity"
match "sg_readcap: physical block exponent" \
  "Logical blocks per physical block exponent=$(exponent $((ZB_PHYSICAL / ZB_BLOCK)))" "$capacity"
check "sg_turs" sg_turs "$disk"
check "sg_modes" sg_modes "$disk"
check "sg_requests" sg_requests "$disk"
match "sg_luns: one unit" '1 lun entry' "$(sg_luns "$disk")"
check "sg_sync" sg_sync "$disk"

opcodes=$(sg_opcodes "$disk")
for command in 'Test Unit Ready' 'Request Sense' Inquiry 'Mode sense.10.' 'Read capacity.16.' \
  'Report luns' 'Read.16.' 'Write.16.' 'Read.10.' 'Write.10.' 'Synchronize cache.16.' 'Report zones' \
  'Close zone' 'Finish zone' 'Open zone' 'Reset write pointer' 'Report supported operation codes'; do
  match "sg_opcodes: ${command//./ }" " $command" "$opcodes"
done
match "sg_opcodes: one command" 'Report zones|Operation code=0x95' "$(sg_opcodes --opcode=0x95,0 "$disk")"

equal "sg_rep_zones: all zones" "$zones" "$(count_zones 0)"
equal "sg_rep_zones: empty zones" "$sequential" "$(count_zones 1)"
equal "sg_rep_zones: full zones" 0 "$(count_zones 5)"
equal "sg_rep_zones: not write pointer" "$ZB_CONVENTIONAL" "$(count_zones 63)"
head=$(sg_rep_zones --num=1 "$disk")
match "sg_rep_zones: maximum LBA" "Maximum LBA: $(printf '0x%x' $((blocks - 1)))" "$head"
match "sg_rep_zones: PARTIAL" 'Zone descriptor: 0' "$(sg_rep_zones --partial --maxlen=128 "$disk")"
equal "sg_rep_zones: from inside a zone" "$(sg_rep_zones --num=1 --start="$(zone_lba "$first")" "$disk")" \
  "$(sg_rep_zones --num=1 --start=$(($(zone_lba "$first") + 8)) "$disk")"
refused "sg_rep_zones: beyond the end" 'Illegal request|out of range' sg_rep_zones --start="$blocks" "$disk"
refused "sg_rep_zones: an unknown option" 'Illegal request|Invalid field' sg_rep_zones --report=0x20 "$disk"

start=$(zone_lba "$first")
equal "a fresh zone" "Empty $start" "$(zone_at "$first")"
check "sg_zone --open" sg_zone --open --zone="$start" "$disk"
equal "the zone is explicitly open" "Explicitly opened $start" "$(zone_at "$first")"
check "sg_zone --close of an empty zone" sg_zone --close --zone="$start" "$disk"
equal "the zone without data is empty" "Empty $start" "$(zone_at "$first")"
check "write 16 blocks" raw_write "$start" 16
equal "the zone is implicitly open" "Implicitly opened $((start + 16))" "$(zone_at "$first")"
check "sg_zone --close" sg_zone --close --zone="$start" "$disk"
equal "the zone is closed" "Closed $((start + 16))" "$(zone_at "$first")"
check "sg_zone --finish" sg_zone --finish --zone="$start" "$disk"
match "the zone is full" '^Full ' "$(zone_at "$first")"
equal "sg_rep_zones: one full zone" 1 "$(count_zones 5)"
check "sg_zone --open of a full zone changes nothing" sg_zone --open --zone="$start" "$disk"
match "the zone is still full" '^Full ' "$(zone_at "$first")"
check "sg_reset_wp" sg_reset_wp --zone="$start" "$disk"
equal "the zone is empty after the reset" "Empty $start" "$(zone_at "$first")"

for ((zone = first; zone < first + 3; zone++)); do
  raw_write "$(zone_lba "$zone")" 8 >/dev/null 2>&1
done
equal "three zones are implicitly open" 3 "$(count_zones 2)"
check "sg_zone --close --all" sg_zone --close --all "$disk"
equal "three zones are closed" 3 "$(count_zones 4)"
check "sg_zone --open --all" sg_zone --open --all "$disk"
equal "three zones are explicitly open" 3 "$(count_zones 3)"
check "sg_zone --finish --all" sg_zone --finish --all "$disk"
equal "three zones are full" 3 "$(count_zones 5)"
check "sg_reset_wp --all" sg_reset_wp --all "$disk"
equal "all sequential zones are empty" "$sequential" "$(count_zones 1)"
no_match "the kernel logs no error" . "$(kernel_complaints)"
finish
