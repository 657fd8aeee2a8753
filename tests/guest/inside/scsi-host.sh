#!/bin/bash
# A disk of the kernel's own, driven by zonebridge through each of its nodes.
# shellcheck disable=SC2012,SC2015
. "$(dirname "$0")/lib.sh"
zb=$ZONEBRIDGE
tmp=$(mktemp -d)

# attach OPTION...: one scsi_debug disk; sets disk, name, sg, bsg.
attach() {
  # Loading what is loaded succeeds, and gives the disk of before.
  [ ! -d /sys/module/scsi_debug ] || give_up "scsi_debug loads" "an earlier disk is still there"
  modprobe scsi_debug delay=0 dev_size_mb=512 "$@" || give_up "scsi_debug loads"
  until_there 20 compgen -G '/sys/block/sd*/device/scsi_generic/sg*' >/dev/null ||
    give_up "a disk appears"
  name=$(basename "$(ls -d /sys/block/sd* | head -n 1)")
  disk=/dev/$name sg=/dev/$(ls "/sys/block/$name/device/scsi_generic")
  bsg=/dev/bsg/$(ls "/sys/block/$name/device/bsg")
  until_there 10 test -b "$disk" -a -c "$sg" -a -c "$bsg"
}
detach() {
  local patience=50
  until rmmod scsi_debug 2>/dev/null; do
    patience=$((patience - 1))
    [ "$patience" -gt 0 ] || { fail "scsi_debug can be unloaded"; return; }
    sleep 0.1
  done
}

# same_report NODE: zonebridge and sg_rep_zones tell the same of every zone.
same_report() {
  sg_rep_zones --readonly --maxlen=65536 "$sg" >"$tmp/theirs"
  "$zb" report "scsi:$1" --json >"$tmp/ours"
  check "$1: the report is sg_rep_zones'" "$(dirname "$0")/same-zones.py" "$tmp/ours" "$tmp/theirs" \
    "$(cat "/sys/block/$name/queue/logical_block_size")"
}

# drive NODE ZONE: write, read, act; ZONE and the three behind it are this node's own.
drive() {
  local node=$1 zone=$2 at=$(($2 << 22)) sum
  head -c 1500k /dev/urandom >"$tmp/data"
  check "$node: write" "$zb" write "scsi:$node" --offset "$at" --input "$tmp/data"
  check "$node: read" "$zb" read "scsi:$node" --offset "$at" --length 1500k --output "$tmp/back"
  check "$node: what was read is what was written" cmp "$tmp/data" "$tmp/back"
  dd if="$disk" of="$tmp/dd" iflag=direct,skip_bytes,count_bytes bs=4k skip="$at" count=1500k \
    2>/dev/null
  check "$node: the block layer reads the same" cmp "$tmp/data" "$tmp/dd"
  local block
  block=$(cat "/sys/block/$name/queue/logical_block_size")
  sg_dd if="$sg" of="$tmp/sgdd" bs="$block" skip=$((at / block)) \
    count=$((1500 * 1024 / block)) 2>/dev/null
  check "$node: sg_dd reads the same" cmp "$tmp/data" "$tmp/sgdd"
  refused "$node: a write elsewhere" 'not at the zone.s write pointer' \
    "$zb" write "scsi:$node" --offset $((at + 8192)) --input "$tmp/data"

  check "$node: open" "$zb" open "scsi:$node" --zone $((zone + 1))
  check "$node: finish" "$zb" finish "scsi:$node" --zone $((zone + 2))
  head -c 64k "$tmp/data" | "$zb" write "scsi:$node" --offset $((at + (3 << 22))) >/dev/null
  check "$node: close" "$zb" close "scsi:$node" --zone $((zone + 3))
  same_report "$node"
  # From a conventional zone over the pointer into the next zones: no disk does that in one read.
  sum=$("$zb" read "scsi:$node" --offset 12M --length 8M | md5sum)
  equal "$node: a read across zones and gaps" "$(head -c 8M /dev/zero | md5sum)" "$sum"
  check "$node: reset" "$zb" reset "scsi:$node" --zone "$zone"
  check "$node: open again" "$zb" close "scsi:$node" --zone $((zone + 1))
}

# drive_all NODE...: each in zones of its own, then all zones at once.
drive_all() {
  local first=8 node
  for node in "$@"; do
    drive "$node" "$first"
    first=$((first + 4))
  done
  check "reset of all" "$zb" reset "scsi:$sg" --all
  equal "all sequential zones are empty" 124 "$(count_zones 1)"
}

echo "# 512 byte blocks"
attach zbc=host-managed zone_size_mb=4 zone_nr_conv=4 zone_max_open=8
drive_all "$sg" "$bsg" "$disk"
refused "one zone too many open" 'open' "$zb" open "scsi:$sg" --zone 20 --count 9
"$zb" reset "scsi:$sg" --all >/dev/null

# How many SG_IO calls a read of 8 MiB takes beyond those of opening: none where the ring has them.
sg_ios() {
  strace -f -qq -e trace=ioctl -o "$tmp/trace" "$@" >/dev/null 2>&1
  grep -c SG_IO "$tmp/trace"
}
if command -v strace >/dev/null; then
  opening=$(sg_ios "$zb" info "scsi:$sg")
  reading=$(sg_ios "$zb" read "scsi:$sg" --offset 0 --length 8M)
  case $ZB_DATA_PATH in
    ioctl) check "data go by SG_IO" test "$reading" -gt "$opening" ;;
    io_uring) check "data go by io_uring" test "$reading" -le "$opening" ;;
  esac
else
  skipped "how data go" "no strace"
fi

# Somebody else has the disk.
python3 -c '
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL)
print("held", flush=True)
time.sleep(60)' "$disk" >"$tmp/held" &
holder=$!
until_there 10 grep -q held "$tmp/held"
head -c 4k /dev/zero >"$tmp/small"
refused "a disk that is held is not written to, and the holder is named" \
  "$disk.*is open in python.* \(process $holder\)" \
  "$zb" write "scsi:$sg" --offset 64M --input "$tmp/small"
check "but read" "$zb" read "scsi:$sg" --offset 0 --length 4k --output "$tmp/small"
kill "$holder"
wait "$holder" 2>/dev/null

# A failure injected into the disk comes in words.
faults=/sys/kernel/debug/scsi_debug/$(basename "$(readlink -f "/sys/block/$name/device")")/error
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug 2>/dev/null
if [ -w "$faults" ] && echo '2 -1 0x9e 0 0 0x2 0x4 0x44 0x0' >"$faults"; then
  refused "sense data are told in words" 'READ CAPACITY.*Hardware Error, Internal target failure' \
    "$zb" info "scsi:$sg"
else
  skipped "sense data are told in words" "this scsi_debug injects no errors"
fi

refused "no SCSI disk" 'not a SCSI disk|other|character' "$zb" info scsi:/dev/null
detach

echo "# capacity below size, 4096 byte blocks"
attach zbc=host-managed zone_size_mb=4 zone_cap_mb=3 zone_nr_conv=4 zone_max_open=8 sector_size=4096
drive_all "$sg" "$bsg"

echo "# removal"
# Commands that take long, 50 jiffies each: opening takes three seconds, reading ten.
echo 50 >/sys/bus/pseudo/drivers/scsi_debug/delay
timeout 60 "$zb" read "scsi:$sg" --offset 0 --length 400M --output /dev/null >"$tmp/gone" 2>&1 &
reader=$!
sleep 6
echo 1 >"/sys/block/$name/device/delete"
wait "$reader"
status=$?
check "a read of a disk that goes away ends" test "$status" -ne 0 -a "$status" -ne 124
# The kernel lets go of it in steps: what was in flight may fail with less than that it is gone.
match "and says that it failed" 'gone|input or output failed' "$(cat "$tmp/gone")"
refused "then it is not there any more" 'no such|gone' "$zb" info "scsi:$sg"
echo 0 >/sys/bus/pseudo/drivers/scsi_debug/delay 2>/dev/null
detach

echo "# no zones"
attach
match "a plain disk is one" '^model +none' "$("$zb" info "scsi:$sg")"
head -c 1M /dev/urandom >"$tmp/data"
check "it is written" "$zb" write "scsi:$sg" --offset 1M --input "$tmp/data"
dd if="$disk" of="$tmp/dd" iflag=direct bs=1M skip=1 count=1 2>/dev/null
check "and read" cmp "$tmp/data" "$tmp/dd"
mkfs.btrfs -q -f "$disk" >/dev/null 2>&1 && modprobe btrfs && mkdir "$tmp/mount" &&
  mount -t btrfs "$disk" "$tmp/mount" || give_up "a file system is mounted"
refused "a mounted disk is not written to" "mounted at $tmp/mount" \
  "$zb" write "scsi:$sg" --offset 1M --input "$tmp/data"
refused "also with --force" "mounted at $tmp/mount" \
  "$zb" write "scsi:$sg" --force --offset 1M --input "$tmp/data"
umount "$tmp/mount"
detach

echo "# nodes missing"
# node_alone NODE WORDS: data go through this node, as there is no better one.
node_alone() {
  head -c 1M /dev/urandom >"$tmp/data"
  match "$1: data go through it" "$2" "$("$zb" info "scsi:$1" --data-path ioctl)"
  check "$1 alone: write" "$zb" write "scsi:$1" --data-path ioctl --offset 64M --input "$tmp/data"
  check "$1 alone: read" "$zb" read "scsi:$1" --data-path ioctl --offset 64M --length 1M \
    --output "$tmp/back"
  check "$1 alone: what was read is what was written" cmp "$tmp/data" "$tmp/back"
  check "$1 alone: reset" "$zb" reset "scsi:$1" --all
}
if rmmod sd_mod 2>/dev/null; then
  echo 'install sd_mod /bin/false' >/etc/modprobe.d/no-sd.conf
  modprobe scsi_debug delay=0 dev_size_mb=512 zbc=host-managed zone_size_mb=4 zone_nr_conv=4
  until_there 20 compgen -G '/sys/class/scsi_generic/sg*' >/dev/null
  sg=/dev/$(ls /sys/class/scsi_generic | head -n 1)
  until_there 10 test -c "$sg"
  node_alone "$sg" "SG_IO on $sg"
  detach
  rmmod sg && echo 'install sg /bin/false' >>/etc/modprobe.d/no-sd.conf
  modprobe scsi_debug delay=0 dev_size_mb=512 zbc=host-managed zone_size_mb=4 zone_nr_conv=4
  until_there 20 compgen -G '/dev/bsg/*:*' >/dev/null
  node_alone "$(ls -d /dev/bsg/*:* | head -n 1)" "SG_IO on /dev/bsg"
  detach
else
  skipped "nodes missing" "sd_mod can't be unloaded"
fi
no_match "the kernel has nothing to complain about" 'WARNING|BUG|Oops' "$(dmesg)"
finish
