#!/bin/bash
# A disk of which zone 10 turns read-only after four writes, zone 11 is offline, 4 KiB at 1 MiB into zone
# 12 can't be read or written, and zone 13 is slow three times.
. "$(dirname "$0")/lib.sh"
use_disk "$@"
state() { blkzone report -o $(($1 * zone_sectors)) -c 1 "$disk" | sed -n 's/.*zcond:[^(]*(\(..\)).*/\1/p'; }
# put ZONE BYTE COUNT, get ZONE BYTE COUNT: by the block layer.
put() {
  dd if=/dev/urandom of="$disk" bs="$3" count=1 iflag=fullblock oflag=direct,seek_bytes conv=notrunc \
    seek=$(($1 * ZB_ZONE_SIZE + $2)) status=none
}
get() {
  dd if="$disk" of=/dev/null bs="$3" count=1 iflag=direct,skip_bytes skip=$(($1 * ZB_ZONE_SIZE + $2)) status=none
}
error='No data available|Input/output error|No space left|No such device|Remote I/O'

equal "zone 11 is offline" of "$(state 11)"
equal "zone 10 is not bad yet" em "$(state 10)"
for piece in 0 1 2 3; do check "write $((piece + 1)) to zone 10" put 10 $((piece * 4096)) 4096; done
refused "the fifth" "$error" put 10 16384 4096
equal "zone 10 is read-only now" ro "$(state 10)"
check "what was written is read" get 10 0 16384
refused "it is not written any more" "$error" put 10 16384 4096
refused "nor reset" "$error" blkzone reset -o $((10 * zone_sectors)) -c 1 "$disk"
refused "the read-only zone is named by SCSI" 'Data protect|read only' raw_write $(($(zone_lba 10) + 32)) 8
refused "the offline zone is not read" "$error" get 11 0 4096
refused "the offline zone is named by SCSI" 'Data protect|offline' raw_read "$(zone_lba 11)" 8

check "zone 12 is written up to the bad spot" put 12 0 $((1 << 20))
refused "a read of the bad spot" "$error" get 12 $((1 << 20)) 4096
refused "the bad spot is named by SCSI" 'Medium|medium' raw_read $(($(zone_lba 12) + (1 << 20) / ZB_BLOCK)) 8
refused "a write to it" "$error" put 12 $((1 << 20)) 4096
check "a read before it" get 12 $(((1 << 20) - 4096)) 4096
check "a read behind it" get 12 $(((1 << 20) + 4096)) 4096

check "slow writes end well" put 13 0 65536
check "slow reads, too" get 13 0 65536

check "two writes to zone 14" put 14 0 8192
refused "a write past the block layer, ahead of the pointer" 'Unaligned write' raw_write $(($(zone_lba 14) + 32)) 8
equal "it changed nothing" oi "$(state 14)"

check "all zones are reset around the bad ones" sg_reset_wp --all "$disk"
equal "zone 10 is still read-only" ro "$(state 10)"
equal "zone 11 is still offline" of "$(state 11)"
equal "zone 14 is empty" em "$(state 14)"
if command -v fio >/dev/null; then
  check "fio is well in the good zones" fio --name=good --filename="$disk" --direct=1 --zonemode=zbd \
    --offset=$((20 * ZB_ZONE_SIZE)) --size=$((4 * ZB_ZONE_SIZE)) --rw=write --bs=64k --ioengine=libaio \
    --iodepth=8 --verify=crc32c
fi
no_match "the kernel is well" 'WARNING|BUG|Oops|hung task|blocked for' "$(dmesg)"
finish
