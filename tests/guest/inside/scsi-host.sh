#!/bin/bash
# zonebridge drives the kernel's simulated disk through each of its nodes.
# shellcheck disable=SC2012,SC2015
. "$(dirname "$0")/lib.sh"
zb=$ZONEBRIDGE
tmp=$(mktemp -d)

# attach OPTION...: makes one scsi_debug disk; sets disk, name, sg, bsg.
attach() {
  # modprobe succeeds if the module is already loaded, and then the old disk would be used.
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

# same_report NODE: checks that zonebridge and sg_rep_zones report the same zones.
same_report() {
  sg_rep_zones --readonly --maxlen=65536 "$sg" >"$tmp/theirs"
  "$zb" report "scsi:$1" --json >"$tmp/ours"
  check "$1: report agrees with sg_rep_zones" "$(dirname "$0")/same-zones.py" "$tmp/ours" "$tmp/theirs" \
    "$(cat "/sys/block/$name/queue/logical_block_size")"
}

# drive NODE ZONE: writes, reads, and applies actions, in ZONE and the three zones behind it.
drive() {
  local node=$1 zone=$2 at=$(($2 << 22)) sum
  head -c 1500k /dev/urandom >"$tmp/data"
  check "$node: write" "$zb" write "scsi:$node" --offset "$at" --input "$tmp/data"
  check "$node: read" "$zb" read "scsi:$node" --offset "$at" --length 1500k --output "$tmp/back"
  check "$node: the data reads back the same" cmp "$tmp/data" "$tmp/back"
  dd if="$disk" of="$tmp/dd" iflag=direct,skip_bytes,count_bytes bs=4k skip="$at" count=1500k \
    2>/dev/null
  check "$node: the block layer reads the same" cmp "$tmp/data" "$tmp/dd"
  local block
  block=$(cat "/sys/block/$name/queue/logical_block_size")
  sg_dd if="$sg" of="$tmp/sgdd" bs="$block" skip=$((at / block)) \
    count=$((1500 * 1024 / block)) 2>/dev/null
  check "$node: sg_dd reads the same" cmp "$tmp/data" "$tmp/sgdd"
  refused "$node: a write not at the pointer" 'not at the zone.s write pointer' \
    "$zb" write "scsi:$node" --offset $((at + 8192)) --input "$tmp/data"

  check "$node: open" "$zb" open "scsi:$node" --zone $((zone + 1))
  check "$node: finish" "$zb" finish "scsi:$node" --zone $((zone + 2))
  head -c 64k "$tmp/data" | "$zb" write "scsi:$node" --offset $((at + (3 << 22))) >/dev/null
  check "$node: close" "$zb" close "scsi:$node" --zone $((zone + 3))
  same_report "$node"
  # From a conventional zone across a write pointer into the next zones: zonebridge must split this read,
  # because no disk does it in one command.
  sum=$("$zb" read "scsi:$node" --offset 12M --length 8M | md5sum)
  equal "$node: a read across zones and gaps" "$(head -c 8M /dev/zero | md5sum)" "$sum"
  check "$node: reset" "$zb" reset "scsi:$node" --zone "$zone"
  check "$node: close the open zone" "$zb" close "scsi:$node" --zone $((zone + 1))
}

# drive_all NODE...: drives each node in zones of its own, then resets all zones at once.
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
refused "an open of more zones than the limit" \
  'zone 28 \(empty\): as many zones are open as the disk allows.*; 8 zones were opened before it' \
  "$zb" open "scsi:$sg" --zone 20-28
"$zb" reset "scsi:$sg" --all >/dev/null

# sg_ios COMMAND...: how many SG_IO calls the command makes. If data goes by io_uring, a read of 8 MiB makes
# no more of them than opening the disk does.
sg_ios() {
  strace -f -qq -e trace=ioctl -o "$tmp/trace" "$@" >/dev/null 2>&1
  grep -c SG_IO "$tmp/trace"
}
if command -v strace >/dev/null; then
  opening=$(sg_ios "$zb" info "scsi:$sg")
  reading=$(sg_ios "$zb" read "scsi:$sg" --offset 0 --length 8M)
  case $ZB_DATA_PATH in
    ioctl) check "data goes by SG_IO" test "$reading" -gt "$opening" ;;
    io_uring) check "data goes by io_uring" test "$reading" -le "$opening" ;;
  esac
else
  skipped "which system calls move data" "no strace"
fi

# Another process holds the disk.
python3 -c '
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL)
print("held", flush=True)
time.sleep(60)' "$disk" >"$tmp/held" &
holder=$!
until_there 10 grep -q held "$tmp/held"
head -c 4k /dev/zero >"$tmp/small"
refused "a write to a disk held exclusively: the message names the process" \
  "$disk.*is open in python.* \(process $holder\)" \
  "$zb" write "scsi:$sg" --offset 64M --input "$tmp/small"
check "a read of that disk" "$zb" read "scsi:$sg" --offset 0 --length 4k --output "$tmp/small"
kill "$holder"
wait "$holder" 2>/dev/null

# The error message describes the sense data of an injected failure.
faults=/sys/kernel/debug/scsi_debug/$(basename "$(readlink -f "/sys/block/$name/device")")/error
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug 2>/dev/null
if [ -w "$faults" ] && echo '2 -1 0x9e 0 0 0x2 0x4 0x44 0x0' >"$faults"; then
  refused "an error message describes the sense data" 'READ CAPACITY.*Hardware Error, Internal target failure' \
    "$zb" info "scsi:$sg"
else
  skipped "an error message describes the sense data" "this scsi_debug injects no errors"
fi

refused "a node that is not a SCSI disk" 'is a character device.*, not a SCSI disk' "$zb" info scsi:/dev/null
detach

echo "# capacity below size, 4096 byte blocks"
attach zbc=host-managed zone_size_mb=4 zone_cap_mb=3 zone_nr_conv=4 zone_max_open=8 sector_size=4096
drive_all "$sg" "$bsg"

echo "# removal"
# Each command takes 50 jiffies: opening takes three seconds, reading ten.
echo 50 >/sys/bus/pseudo/drivers/scsi_debug/delay
timeout 60 "$zb" read "scsi:$sg" --offset 0 --length 400M --output /dev/null >"$tmp/gone" 2>&1 &
reader=$!
sleep 6
echo 1 >"/sys/block/$name/device/delete"
wait "$reader"
status=$?
check "a read ends with an error when the disk is removed" test "$status" -ne 0 -a "$status" -ne 124
# The kernel removes the disk in steps: commands in flight may fail before the disk is known to be gone.
match "the message of that read says why" 'gone|input or output failed' "$(cat "$tmp/gone")"
refused "info of the removed disk" 'No such (file|device)|the device is gone' "$zb" info "scsi:$sg"
echo 0 >/sys/bus/pseudo/drivers/scsi_debug/delay 2>/dev/null
detach

echo "# no zones"
attach
match "the model of a disk without zones" '^model +none' "$("$zb" info "scsi:$sg")"
head -c 1M /dev/urandom >"$tmp/data"
check "a write to a disk without zones" "$zb" write "scsi:$sg" --offset 1M --input "$tmp/data"
dd if="$disk" of="$tmp/dd" iflag=direct bs=1M skip=1 count=1 2>/dev/null
check "the block layer reads the same" cmp "$tmp/data" "$tmp/dd"
mkfs.btrfs -q -f "$disk" >/dev/null 2>&1 && modprobe btrfs && mkdir "$tmp/mount" &&
  mount -t btrfs "$disk" "$tmp/mount" || give_up "a file system is mounted"
refused "a write to a mounted disk" "mounted at $tmp/mount" \
  "$zb" write "scsi:$sg" --offset 1M --input "$tmp/data"
refused "a write to a mounted disk, with --force" "mounted at $tmp/mount" \
  "$zb" write "scsi:$sg" --force --offset 1M --input "$tmp/data"
umount "$tmp/mount"
detach

echo "# nodes missing"
# node_alone NODE WORDS: checks that data goes through this node, because the others are missing.
node_alone() {
  head -c 1M /dev/urandom >"$tmp/data"
  match "$1 alone: the data path" "$2" "$("$zb" info "scsi:$1" --data-path ioctl)"
  check "$1 alone: write" "$zb" write "scsi:$1" --data-path ioctl --offset 64M --input "$tmp/data"
  check "$1 alone: read" "$zb" read "scsi:$1" --data-path ioctl --offset 64M --length 1M \
    --output "$tmp/back"
  check "$1 alone: the data reads back the same" cmp "$tmp/data" "$tmp/back"
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
no_match "the kernel logs no warning" 'WARNING|BUG|Oops' "$(dmesg)"
finish
