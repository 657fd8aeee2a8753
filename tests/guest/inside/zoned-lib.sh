# For scripts inside the lab guest that know their zoned disk by the kernel's block layer only,
# whatever carries it: virtio-blk, null_blk, SCSI. Source it first; it brings lib.sh.
#
# A script is called as SCRIPT DEVICE. Beside what lib.sh says, the environment tells the disk's
# ZB_CAPACITY (bytes to be written in a zone), ZB_MAX_ACTIVE (0: no limit) and ZB_CACHE (what the
# kernel calls its write cache).
# shellcheck shell=bash disable=SC2034

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
ZB_CAPACITY=${ZB_CAPACITY:-$ZB_ZONE_SIZE} ZB_MAX_ACTIVE=${ZB_MAX_ACTIVE:-0}
ZB_CACHE=${ZB_CACHE:-write back}
use_disk "$@"
capacity_sectors=$((ZB_CAPACITY / 512))
first=$ZB_CONVENTIONAL

# zone_is N: "CONDITION SECTORS", as blkzone tells: "em 0", "oi 128", "fu -" (a pointer elsewhere
# than in a zone that takes writes means nothing).
zone_is() {
  blkzone report -o $(($1 * zone_sectors)) -c 1 "$disk" |
    sed -En 's/.* wptr (0x[0-9a-f]+) .*zcond: *[0-9]+\((..)\).*/\2 \1/p' |
    { read -r state pointer; case $state in em | oi | oe | cl) echo "$state $((pointer))" ;; *) echo "$state -" ;; esac; }
}
# zones_in CONDITION: how many zones are.
zones_in() { blkzone report "$disk" | grep -Ec "zcond: *[0-9]+\(($1)\)"; }
# on_zones ACTION N [COUNT]: blkzone's reset, open, close or finish.
on_zones() { blkzone "$1" -o $(($2 * zone_sectors)) -c "${3:-1}" "$disk"; }
# put N OFFSET LENGTH [FILE]: past the cache, in one request where the disk's limits allow.
put() {
  dd if="${4:-/dev/zero}" of="$disk" bs="$3" count=1 seek=$(($1 * ZB_ZONE_SIZE + $2)) iflag=fullblock \
    oflag=direct,seek_bytes conv=notrunc status=none
}
# get N OFFSET LENGTH
get() {
  dd if="$disk" bs="$3" count=1 skip=$(($1 * ZB_ZONE_SIZE + $2)) iflag=direct,skip_bytes,fullblock status=none
}
# data: how many bytes there are that no disk fills with where nothing was written (zeroes; null_blk
# says FFh).
data() { tr -d '\0\377' | wc -c; }
