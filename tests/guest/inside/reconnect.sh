#!/bin/bash
# Writes and verifies, again and again, on a host-managed SCSI disk and on an ordinary virtio-blk disk, until
# the file "enough" appears in ZB_SHARED. Meanwhile their servers are killed.
. "$(dirname "$0")/lib.sh"
use_disk
until_there 20 test -b /dev/vda || give_up "a virtio-blk disk appears" "$(dmesg | tail -n 20)"

# passes KIND COMMAND...: runs the command until there is enough, and prints a line for each success.
passes() {
  local kind=$1 number=0
  shift
  until [ -e "$ZB_SHARED/enough" ]; do
    "$@" >"/tmp/$kind" 2>&1 || return 1
    number=$((number + 1))
    echo "$kind: pass $number"
  done
}
# The zones are reset at first, so that resets are interrupted, too.
write_zones() {
  blkzone reset -o $((ZB_CONVENTIONAL * zone_sectors)) -l $((8 * zone_sectors)) "$disk" &&
    fio --name=zones --filename="$disk" --direct=1 --zonemode=zbd --rw=randwrite --bs=16k --iodepth=8 \
      --ioengine=libaio --offset=$((ZB_CONVENTIONAL * ZB_ZONE_SIZE)) --size=$((8 * ZB_ZONE_SIZE)) \
      --io_size=12M --verify=crc32c --verify_fatal=1 --do_verify=1 --max_open_zones=6
}
write_blocks() {
  fio --name=blocks --filename=/dev/vda --direct=1 --rw=randwrite --bs=4k-64k --bs_unaligned=0 --iodepth=8 \
    --ioengine=libaio --size=16M --fsync=16 --verify=crc32c --verify_fatal=1 --do_verify=1
}
passes scsi write_zones &
zones_writer=$!
passes blk write_blocks &
blocks_writer=$!
# ended KIND PROCESS: checks that this writer had no error.
ended() {
  local status=0
  wait "$2" || status=$?
  if [ "$status" -eq 0 ]; then
    pass "$1: all writes are verified while servers are killed"
  else
    fail "$1: all writes are verified while servers are killed" "status $status" "$(tail -n 12 "/tmp/$1")"
  fi
}
ended scsi "$zones_writer"
ended blk "$blocks_writer"
no_match "the kernel logs no error" 'I/O error|timed out|timing out|abort|offline|WARNING|BUG|hung task|blocked for' "$(dmesg)"
finish
