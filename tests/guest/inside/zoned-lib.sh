# Helpers for scripts in the lab guest that use only the kernel's block layer, so that they work with any
# zoned disk: virtio-blk, null_blk, SCSI. Source this file first; it sources lib.sh.
#
# Call a script as SCRIPT DEVICE. The environment describes the disk as for lib.sh, and also has
# ZB_CAPACITY (of a zone, in bytes), ZB_MAX_ACTIVE (0: no limit) and ZB_CACHE (the kernel's name for the
# disk's write cache).
# shellcheck shell=bash disable=SC2034

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
ZB_CAPACITY=${ZB_CAPACITY:-$ZB_ZONE_SIZE} ZB_MAX_ACTIVE=${ZB_MAX_ACTIVE:-0}
ZB_CACHE=${ZB_CACHE:-write back}
use_disk "$@"
capacity_sectors=$((ZB_CAPACITY / 512))
first=$ZB_CONVENTIONAL

# zone_is N: "CONDITION POINTER" from blkzone's report: "em 0", "oi 128" (sectors from the zone's start), or
# "fu -", because the pointer is valid only in zones that take writes.
zone_is() {
  blkzone report -o $(($1 * zone_sectors)) -c 1 "$disk" |
    sed -En 's/.* wptr (0x[0-9a-f]+) .*zcond: *[0-9]+\((..)\).*/\2 \1/p' |
    { read -r state pointer; case $state in em | oi | oe | cl) echo "$state $((pointer))" ;; *) echo "$state -" ;; esac; }
}
# zones_in CONDITION: the number of zones in this condition.
zones_in() { blkzone report "$disk" | grep -Ec "zcond: *[0-9]+\(($1)\)"; }
# on_zones ACTION N [COUNT]: reset, open, close or finish, from zone N on.
on_zones() { blkzone "$1" -o $(($2 * zone_sectors)) -c "${3:-1}" "$disk"; }
# put N OFFSET LENGTH [FILE]: writes to zone N past the cache, in one request if the disk's limits allow it.
put() {
  dd if="${4:-/dev/zero}" of="$disk" bs="$3" count=1 seek=$(($1 * ZB_ZONE_SIZE + $2)) iflag=fullblock \
    oflag=direct,seek_bytes conv=notrunc status=none
}
# get N OFFSET LENGTH: reads from zone N past the cache.
get() {
  dd if="$disk" bs="$3" count=1 skip=$(($1 * ZB_ZONE_SIZE + $2)) iflag=direct,skip_bytes,fullblock status=none
}
# data: counts the bytes that are neither 0 nor FFh. Disks fill unwritten space with zeroes, null_blk also
# with FFh.
data() { tr -d '\0\377' | wc -c; }
