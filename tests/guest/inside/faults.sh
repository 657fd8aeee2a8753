#!/bin/bash
# A disk with these faults: zone 10 becomes read-only after four writes, zone 11 is offline, 4 KiB at 1 MiB
# into zone 12 can't be read or written, and three requests to zone 13 are slow.
. "$(dirname "$0")/lib.sh"
use_disk "$@"
state() { blkzone report -o $(($1 * zone_sectors)) -c 1 "$disk" | sed -n 's/.*zcond:[^(]*(\(..\)).*/\1/p'; }
# put ZONE BYTE COUNT, get ZONE BYTE COUNT: write and read through the block layer.
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
refused "write 5 to zone 10" "$error" put 10 16384 4096
equal "zone 10 is read-only now" ro "$(state 10)"
check "a read of the read-only zone" get 10 0 16384
refused "a write to the read-only zone" "$error" put 10 16384 4096
refused "a reset of the read-only zone" "$error" blkzone reset -o $((10 * zone_sectors)) -c 1 "$disk"
refused "the sense of a write to the read-only zone" 'Data protect|read only' raw_write $(($(zone_lba 10) + 32)) 8
refused "a read of the offline zone" "$error" get 11 0 4096
refused "the sense of a read of the offline zone" 'Data protect|offline' raw_read "$(zone_lba 11)" 8

check "zone 12 is written up to the bad block" put 12 0 $((1 << 20))
refused "a read of the bad block" "$error" get 12 $((1 << 20)) 4096
refused "the sense of a read of the bad block" 'Medium|medium' raw_read $(($(zone_lba 12) + (1 << 20) / ZB_BLOCK)) 8
refused "a write to the bad block" "$error" put 12 $((1 << 20)) 4096
check "a read before the bad block" get 12 $(((1 << 20) - 4096)) 4096
check "a read behind the bad block" get 12 $(((1 << 20) + 4096)) 4096

check "a slow write succeeds" put 13 0 65536
check "a slow read succeeds" get 13 0 65536

check "two writes to zone 14" put 14 0 8192
refused "a SCSI write ahead of the pointer" 'Unaligned write' raw_write $(($(zone_lba 14) + 32)) 8
equal "the refused write did not change the zone's state" oi "$(state 14)"

check "all zones are reset, in spite of the bad zones" sg_reset_wp --all "$disk"
equal "zone 10 is still read-only" ro "$(state 10)"
equal "zone 11 is still offline" of "$(state 11)"
equal "zone 14 is empty" em "$(state 14)"
check "fio writes and verifies good zones" fio --name=good --filename="$disk" --direct=1 --zonemode=zbd \
  --offset=$((20 * ZB_ZONE_SIZE)) --size=$((4 * ZB_ZONE_SIZE)) --rw=write --bs=64k --ioengine=libaio \
  --iodepth=8 --verify=crc32c
no_match "the kernel logs no warning" 'WARNING|BUG|Oops|hung task|blocked for' "$(dmesg)"
finish
