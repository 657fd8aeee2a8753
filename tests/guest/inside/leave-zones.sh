#!/bin/bash
# Leaves one zone in each state, and writes the pattern to them, for find-zones.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pattern.sh"
use_disk "$@"
put() {
  pattern "$1" >/tmp/pattern
  dd if=/tmp/pattern of="$disk" bs=64K iflag=count_bytes count="$2" seek=$(($1 * ZB_ZONE_SIZE)) \
    oflag=direct,seek_bytes conv=notrunc,fsync status=none
}
first=$ZB_CONVENTIONAL
check "zone $first: written, implicitly open" put "$first" 131072
check "zone $((first + 1)): written and closed" put $((first + 1)) 196608
check "close" sg_zone --close --zone="$(zone_lba $((first + 1)))" "$disk"
check "zone $((first + 2)): written whole" put $((first + 2)) "$ZB_ZONE_SIZE"
check "zone $((first + 3)): written and finished" put $((first + 3)) 65536
check "finish" sg_zone --finish --zone="$(zone_lba $((first + 3)))" "$disk"
check "zone $((first + 4)): opened" sg_zone --open --zone="$(zone_lba $((first + 4)))" "$disk"
check "zone $((first + 5)): written and reset" put $((first + 5)) 65536
check "reset" sg_reset_wp --zone="$(zone_lba $((first + 5)))" "$disk"
check "the conventional zone 1: written" put 1 262144
finish
