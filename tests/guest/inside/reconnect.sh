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
    "$@" >"/tmp/$kind" 2>&1 || { echo "$kind: failed" && tail -n 12 "/tmp/$kind" && return 1; }
    number=$((number + 1))
    echo "$kind: pass $number"
  done
}
# one_zone NUMBER: writes a zone in pieces, and compares what it has then.
one_zone() {
  dd if="/tmp/data$1" of="$disk" bs=64k oflag=seek_bytes,direct seek=$((($1 + ZB_CONVENTIONAL) * ZB_ZONE_SIZE)) \
    conv=notrunc,fsync status=none &&
    dd if="$disk" bs=64k iflag=skip_bytes,count_bytes,direct skip=$((($1 + ZB_CONVENTIONAL) * ZB_ZONE_SIZE)) \
      count="$ZB_ZONE_SIZE" status=none | cmp - "/tmp/data$1"
}
# Nothing here asks for a report of zones: if that is the first command at a new server, Linux does not repeat
# it after the unit attention, and fio ends.
write_zones() {
  local number writers=()
  blkzone reset -o $((ZB_CONVENTIONAL * zone_sectors)) -l $((writers_of_zones * zone_sectors)) "$disk" || return 1
  for number in $(seq "$writers_of_zones"); do
    one_zone $((number - 1)) &
    writers+=($!)
  done
  for number in "${writers[@]}"; do wait "$number" || return 1; done
}
writers_of_zones=6
for number in $(seq 0 $((writers_of_zones - 1))); do
  head -c "$ZB_ZONE_SIZE" /dev/urandom >"/tmp/data$number"
done
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
    fail "$1: all writes are verified while servers are killed" "$(tail -n 12 "/tmp/$1")"
  fi
}
ended scsi "$zones_writer"
ended blk "$blocks_writer"
no_match "the kernel logs no error" 'I/O error|timed out|timing out|abort|offline|WARNING|BUG|hung task|blocked for' "$(dmesg)"
finish
