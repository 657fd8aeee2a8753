#!/bin/bash
# Checks the zones and data that leave-zones.sh left. They are the same after the server restarted,
# because the file keeps open zones open.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pattern.sh"
use_disk "$@"
first=$ZB_CONVENTIONAL
holds() {
  check "zone $1: the data is as written" cmp <(pattern "$1" | head -c "$2") \
    <(dd if="$disk" bs=64K iflag=direct,skip_bytes,count_bytes skip=$(($1 * ZB_ZONE_SIZE)) count="$2" status=none)
}
equal "zone $first: implicitly open" "Implicitly opened $(($(zone_lba "$first") + 131072 / ZB_BLOCK))" "$(zone_at "$first")"
equal "zone $((first + 4)): explicitly open" "Explicitly opened $(zone_lba $((first + 4)))" "$(zone_at $((first + 4)))"
equal "zone $((first + 1)): closed" "Closed $(($(zone_lba $((first + 1))) + 196608 / ZB_BLOCK))" "$(zone_at $((first + 1)))"
match "zone $((first + 2)): full" '^Full' "$(zone_at $((first + 2)))"
match "zone $((first + 3)): full" '^Full' "$(zone_at $((first + 3)))"
equal "zone $((first + 5)): empty" "Empty $(zone_lba $((first + 5)))" "$(zone_at $((first + 5)))"
holds "$first" 131072
holds $((first + 1)) 196608
holds $((first + 2)) "$ZB_ZONE_SIZE"
holds $((first + 3)) 65536
holds 1 262144
no_match "the kernel logs no error" . "$(kernel_complaints)"
finish
