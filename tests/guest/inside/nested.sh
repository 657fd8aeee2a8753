#!/bin/bash
# Runs in a guest in a guest: checks each disk of ZB_DISKS ("NAME=BYTES ..."), zoned or plain, with small
# amounts of data, because everything here may be emulated twice. The last reports go to ZB_SHARED.
. "$(dirname "$0")/lib.sh"

# The script starts few programs, because starting one may take a second or more here.

# disk_of BYTES: finds the disk of this size; sets disk.
# shellcheck disable=SC2317
disk_of() {
  local place
  for place in /sys/block/[sv]d*; do
    if [ "$(<"$place/size")" -eq $(($1 / 512)) ] && [ -b "/dev/${place##*/}" ]; then
      disk=/dev/${place##*/}
      return 0
    fi
  done
  return 1
}
# state_of LINE: "CONDITION POINTER" from a line of blkzone's report; POINTER is in sectors from the start.
state_of() { [[ $1 =~ wptr\ 0x([0-9a-f]+)\ .*zcond:\ *[0-9]+\((..)\) ]] && echo "${BASH_REMATCH[2]} $((16#${BASH_REMATCH[1]}))"; }
# state ZONE: the same for one zone of the disk.
state() { state_of "$(blkzone report --offset $(($1 * sectors)) --count 1 "$disk")"; }
# action ACTION ZONE: checks that blkzone can do this action.
action() { check "$name: $1" blkzone "$1" --offset $(($2 * sectors)) --count 1 "$disk"; }
# put OFFSET: writes 64 KiB there.
put() { dd if=/tmp/data of="$disk" bs=64k count=1 seek="$1" oflag=direct,seek_bytes conv=notrunc status=none; }

verify=(--direct=1 --ioengine=libaio --iodepth=8 --bs=64k --verify=crc32c --verify_fatal=1
  --do_verify=1 --minimal)
head -c 65536 /dev/urandom >/tmp/data

# own_words: for a disk that is passed through, checks that it gives the guest the same replies as the
# host. These are in ZB_SHARED: the reply as NAME.WHAT, the command as NAME.WHAT.cdb. Also checks that a
# command which could change the disk permanently is refused.
own_words() {
  local file cdb answer
  for file in "$ZB_SHARED/$name".*.cdb; do
    [ -e "$file" ] || return 0
    file=${file%.cdb} cdb=$(<"$file.cdb")
    # shellcheck disable=SC2086
    sg_raw -r 1024 -o /tmp/answer "$disk" $cdb >/dev/null 2>&1
    check "$name: the reply ${file##*.} is the same as on the host" cmp "$file" /tmp/answer
  done
  answer=$(sg_raw -s 16 -i /tmp/data "$disk" 3b 02 00 00 00 00 00 00 10 00 2>&1)
  match "$name: WRITE BUFFER is refused" 'Invalid command operation code' "$answer"
}

zoned_disk() {
  local queue=/sys/block/${disk#/dev/}/queue first=0 at lines line
  until_there 30 has_zones "$disk" || { fail "$name: the kernel reads the zones" "$(dmesg | tail -n 12)"; return; }
  equal "$name: the kernel sees a zoned disk" host-managed "$(<"$queue/zoned")"
  sectors=$(<"$queue/chunk_sectors")
  mapfile -t lines < <(blkzone report "$disk")
  equal "$name: blkzone reports every zone" "$(<"$queue/nr_zones")" "${#lines[@]}"
  while [[ ${lines[first]} == *'type: 1'* ]]; do first=$((first + 1)); done
  at=$((first * sectors * 512))
  check "$name: a write" put $at
  equal "$name: the write moved the pointer" "oi 128" "$(state "$first")"
  dd if="$disk" of=/tmp/back bs=64k count=1 skip=$at iflag=direct,skip_bytes status=none
  check "$name: the data reads back the same" cmp /tmp/data /tmp/back
  refused "$name: a write behind the pointer" 'Input/output error' put $at
  action reset "$first"
  equal "$name: the zone is empty" "em 0" "$(state "$first")"
  check "$name: fio verifies a zone at depth" fio --name=verify --filename="$disk" --zonemode=zbd \
    --rw=write --offset=$at --size=$((sectors * 512)) "${verify[@]}"
  # Leave a full, a closed and a finished zone, which the outer guest compares with the disk's.
  put $((at + sectors * 512)) && action close $((first + 1))
  put $((at + 2 * sectors * 512)) && action finish $((first + 2))
  mapfile -t lines < <(blkzone report "$disk")
  for line in "${lines[@]:first:4}"; do states+="$(state_of "$line")," ; done
  match "$name: a full, a closed, a finished, an empty zone" '^fu [0-9]+,cl 128,fu [0-9]+,em 0,$' "$states"
  printf '%s\n' "${lines[@]}" >"$ZB_SHARED/$name.zones"
}

for pair in $ZB_DISKS; do
  name=${pair%=*} states=''
  until_there 60 disk_of "${pair#*=}" || { fail "$name: the disk appears" "$(dmesg | tail -n 12)"; continue; }
  if [ "$name" = plain ]; then
    equal "$name: the kernel sees no zones" none "$(<"/sys/block/${disk#/dev/}/queue/zoned")"
    check "$name: fio verifies at depth" fio --name=verify --filename="$disk" --rw=randwrite --size=2M \
      "${verify[@]}"
  else
    own_words
    zoned_disk
  fi
done
equal "the kernel logs no error" "" "$(dmesg | grep -E ' sd |[sv]d[a-z]|virtio|BUG|WARNING' |
  grep -Ei 'fail|warn|bug|abort|timing|offline' | grep -Ev 'Mode Sense|write behind' || true)"
finish
