#!/bin/bash
# Two writers fill zone after zone with the pattern, and print the positions that are synced.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pattern.sh"
use_disk "$@"
chunk=$((256 << 10))

writer() {
  local zone at first=$1 step=2
  for ((zone = first; zone < zones; zone += step)); do
    pattern "$zone" >"/tmp/pattern$first"
    for ((at = 0; at < ZB_ZONE_SIZE; at += chunk)); do
      dd if="/tmp/pattern$first" of="$disk" bs="$chunk" count=1 iflag=skip_bytes oflag=seek_bytes,direct \
        skip="$at" seek=$((zone * ZB_ZONE_SIZE + at)) conv=notrunc,fsync status=none || exit 1
      echo "synced $zone $((at + chunk))"
    done
  done
}
writer $((ZB_CONVENTIONAL)) &
writer $((ZB_CONVENTIONAL + 1)) &
wait
echo "the disk is full"
