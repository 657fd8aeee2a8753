#!/bin/bash
# The block transport on every kind of block device in the lab.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/nvmet.sh"
here=$(dirname "$0")
zb=$ZONEBRIDGE
mib=$((1 << 20))
tmp=$(mktemp -d)

# info DEVICE FIELD: a field of `info --json`.
info() { "$zb" info "block:$1" --json >"$tmp/info" && /usr/bin/python3 -c 'import json, sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2].split("."):
    value = value[key]
print(value)' "$tmp/info" "$2"; }

# numbers DEVICE [OPEN ACTIVE]: checks that info and sysfs agree. For an NVMe multipath head, sysfs has no
# limits, so the caller gives them.
numbers() {
  local queue=/sys/block/${1#/dev/}/queue name=${1#/dev/}
  "$zb" info "block:$1" --json >"$tmp/info" || { fail "$name: info" "$(cat "$tmp/info")"; return; }
  local got expected
  got=$(/usr/bin/python3 - "$tmp/info" <<'PYTHON'
import json, sys
disk = json.load(open(sys.argv[1]))
def none_is_zero(value):
    return value or 0
print(disk["model"], disk["size"], disk["logical_block_size"],
      none_is_zero(disk["limits"]["max_open"]), none_is_zero(disk["limits"]["max_active"]))
PYTHON
  )
  local most_open=0 most_active=0
  [ ! -e "$queue/max_open_zones" ] || most_open=$(cat "$queue/max_open_zones")
  [ ! -e "$queue/max_active_zones" ] || most_active=$(cat "$queue/max_active_zones")
  most_open=${2:-$most_open} most_active=${3:-$most_active}
  expected="$(cat "$queue/zoned") $(($(cat "/sys/block/$name/size") * 512)) $(cat "$queue/logical_block_size") $most_open $most_active"
  equal "$name: info agrees with sysfs" "$expected" "$got"
}

# same_report DEVICE WHEN: checks that zonebridge and blkzone report the same zones.
same_report() {
  "$zb" report "block:$1" --json >"$tmp/ours"
  blkzone report "$1" >"$tmp/theirs"
  check "${1#/dev/}: report agrees with blkzone, $2" "$here/same-zones.py" "$tmp/ours" "$tmp/theirs"
}

# zone_of DEVICE ZONE: "STATE POINTER-FROM-START".
zone_of() {
  "$zb" report "block:$1" --json | /usr/bin/python3 -c 'import json, sys
zone = json.load(sys.stdin)["zones"][int(sys.argv[1])]
pointer = zone["write_pointer"]
print(zone["state"], "-" if pointer is None else pointer - zone["start"])' "$2"
}

# through_the_verbs DEVICE ZONE-SIZE: writes and reads one zone, and applies every action to it.
through_the_verbs() {
  local disk=$1 size=$2 name=${1#/dev/} zone start
  zone=$(($(blkzone report "$disk" | grep -c 'type: 1') + 1))
  start=$((zone * size))
  head -c 65536 /dev/urandom >"$tmp/data"
  check "$name: write at the pointer" "$zb" write "block:$disk" --offset "$start" --input "$tmp/data"
  "$zb" read "block:$disk" --offset "$start" --length 65536 >"$tmp/back"
  check "$name: it reads back the same" cmp "$tmp/data" "$tmp/back"
  dd if="$disk" of="$tmp/back" bs=65536 count=1 skip=$((start / 65536)) iflag=direct 2>/dev/null
  check "$name: dd reads the same" cmp "$tmp/data" "$tmp/back"
  equal "$name: the pointer moved" "implicit-open 65536" "$(zone_of "$disk" "$zone")"
  refused "$name: a write not at the pointer" "not at the zone's write pointer" \
    "$zb" write "block:$disk" --offset $((start + 131072)) --input "$tmp/data"
  check "$name: afterwards a write at the pointer" \
    "$zb" write "block:$disk" --offset $((start + 65536)) --input "$tmp/data"
  check "$name: append" "$zb" append "block:$disk" --zone "$zone" --input "$tmp/data"
  equal "$name: the two writes and the append moved the pointer" "implicit-open 196608" "$(zone_of "$disk" "$zone")"
  check "$name: open" "$zb" open "block:$disk" --zone "$zone"
  equal "$name: the zone is open" "explicit-open 196608" "$(zone_of "$disk" "$zone")"
  check "$name: close" "$zb" close "block:$disk" --zone "$zone"
  equal "$name: the zone is closed" "closed 196608" "$(zone_of "$disk" "$zone")"
  same_report "$disk" "with a closed zone"
  check "$name: open all" "$zb" open "block:$disk" --all
  equal "$name: the closed zone is open" "explicit-open 196608" "$(zone_of "$disk" "$zone")"
  check "$name: close all" "$zb" close "block:$disk" --all
  equal "$name: the zone is closed again" "closed 196608" "$(zone_of "$disk" "$zone")"
  check "$name: finish" "$zb" finish "block:$disk" --zone "$zone"
  equal "$name: the zone is full" "full -" "$(zone_of "$disk" "$zone")"
  refused "$name: a write to the full zone" 'the zone is full' \
    "$zb" write "block:$disk" --offset "$start" --input "$tmp/data"
  same_report "$disk" "with a full zone"
  check "$name: finish all" "$zb" finish "block:$disk" --all
  check "$name: reset" "$zb" reset "block:$disk" --zone "$zone"
  equal "$name: the zone is empty" "empty 0" "$(zone_of "$disk" "$zone")"
  "$zb" write "block:$disk" --offset "$start" --input "$tmp/data" >/dev/null 2>&1
  check "$name: reset all" "$zb" reset "block:$disk" --all
  equal "$name: no zone is open, closed or full" 0 "$(blkzone report "$disk" | grep -Ec 'zcond: ?([234]|14)\(')"
  same_report "$disk" "after the reset"
}

# ---- null_blk: capacity below size, conventional zones, both limits, both block sizes.
for block in 512 4096; do
  disk=/dev/znull$block
  make_nullb "znull$block" size=96 zoned=1 zone_size=4 zone_capacity=3 zone_nr_conv=3 \
    zone_max_open=3 zone_max_active=5 blocksize=$block || give_up "a zoned null_blk of $block"
  numbers "$disk"
  same_report "$disk" "at first"
  through_the_verbs "$disk" $((4 * mib))
done
disk=/dev/znull512
head -c 4096 /dev/urandom >"$tmp/data"
for zone in 4 5 6; do check "open zone $zone" "$zb" open block:$disk --zone $zone; done
refused "the fourth zone exceeds the open limit" 'zone 7 \(empty\): as many zones are open as the disk allows' \
  "$zb" open block:$disk --zone 7
equal "the fourth zone stays empty" "empty 0" "$(zone_of $disk 7)"
check "reset all with open zones" "$zb" reset block:$disk --all
head -c $((3 * mib)) /dev/urandom >"$tmp/whole"
check "a zone is filled to its capacity" "$zb" write block:$disk --offset $((16 * mib)) --input "$tmp/whole"
equal "the filled zone is full" "full -" "$(zone_of $disk 4)"
"$zb" read block:$disk --offset $((16 * mib)) --length $((3 * mib)) >"$tmp/back"
check "the full zone has the data" cmp "$tmp/whole" "$tmp/back"
check "a write inside a conventional zone" "$zb" write block:$disk --offset $((mib + 4096)) --input "$tmp/data"
refused "a reset of a conventional zone" 'zone 1 \(conventional\): not the start of a zone that has a write pointer' \
  "$zb" reset block:$disk --zone 1

# ---- Read-only and offline zones.
for zone in 8 9; do "$zb" write block:$disk --offset $((zone * 4 * mib)) --input "$tmp/data" >/dev/null; done
echo $((8 * 8192)) >$nullb_config/znull512/zone_readonly
echo $((9 * 8192)) >$nullb_config/znull512/zone_offline
equal "the state of a read-only zone" "read-only -" "$(zone_of $disk 8)"
equal "the state of an offline zone" "offline -" "$(zone_of $disk 9)"
same_report $disk "with bad zones"
refused "a write to a read-only zone" 'the zone has become read-only' "$zb" write block:$disk --offset $((32 * mib + 4096)) --input "$tmp/data"
check "a read of a read-only zone" "$zb" read block:$disk --offset $((32 * mib)) --length 4096 --output "$tmp/back"
refused "a write to an offline zone" 'the zone has gone offline' "$zb" write block:$disk --offset $((36 * mib + 4096)) --input "$tmp/data"
refused "a read of an offline zone" "the zone has gone offline" "$zb" read block:$disk --offset $((36 * mib)) --length 4096 --output /dev/null
refused "a reset of an offline zone" 'the zone has gone offline' "$zb" reset block:$disk --zone 9

# ---- Other real devices.
modprobe scsi_debug zbc=host-managed dev_size_mb=96 zone_size_mb=4 zone_nr_conv=3 zone_max_open=4 delay=0
modprobe sd_mod
if until_there 20 find_disk >/dev/null; then
  scsi=$(find_disk)
  until_there 20 has_zones "$scsi" || give_up "the kernel reads the zones of $scsi" "$(dmesg | tail -n 5)"
  numbers "$scsi"
  equal "scsi_debug's vendor and product" "Linux scsi_debug" "$(info "$scsi" identity.vendor) $(info "$scsi" identity.product)"
  through_the_verbs "$scsi" $((4 * mib))
else
  fail "scsi_debug gives a disk"
fi
modprobe nvme
if until_there 20 test -b /dev/nvme0n1; then
  numbers /dev/nvme0n1 4 6
  equal "the namespace's serial" ZB-BLOCK "$(info /dev/nvme0n1 identity.serial)"
  through_the_verbs /dev/nvme0n1 $((2 * mib))
else
  fail "QEMU's namespace appears"
fi

# ---- Device mapper: its device is a zoned disk, and holds the disk below. The lab has no udev that
# creates /dev/mapper/linear, so use the kernel's name, /dev/dm-N.
modprobe dm_mod
make_nullb below size=64 zoned=1 zone_size=4 zone_nr_conv=2 zone_max_open=4
echo "0 $((64 * 2048)) linear /dev/below 0" | DM_DISABLE_UDEV=1 dmsetup create linear
dm=/dev/dm-$(dmsetup info --columns --noheadings -o minor linear)
if [ -b "$dm" ]; then
  numbers "$dm"
  through_the_verbs "$dm" $((4 * mib))
  refused "a disk that device mapper uses: the message names the user" "is part of $dm \(device mapper's linear\)" \
    "$zb" reset block:/dev/below --all
  check "that disk can be read" "$zb" report block:/dev/below
  DM_DISABLE_UDEV=1 dmsetup remove linear
  check "without device mapper the disk can be written" "$zb" reset block:/dev/below --all
else
  fail "device mapper gives a zoned disk"
fi

# ---- A mounted disk. btrfs needs more zones than the disks above have; null_blk uses memory only for
# written data.
make_nullb btrfs size=512 zoned=1 zone_size=4
modprobe btrfs
mkdir "$tmp/mount"
if output=$(mkfs.btrfs -q -f /dev/btrfs 2>&1 && mount -t btrfs /dev/btrfs "$tmp/mount" 2>&1); then
  refused "a mounted disk, though btrfs shows another device number" "is mounted at $tmp/mount" "$zb" reset block:/dev/btrfs --all
  refused "a mounted disk, with --force" "is mounted at $tmp/mount" "$zb" reset --force block:/dev/btrfs --all
  check "the mounted disk can be read" "$zb" report block:/dev/btrfs
  umount "$tmp/mount"
  check "after umount the disk can be written" "$zb" reset block:/dev/btrfs --all
else
  fail "btrfs is mounted on a zoned disk" "$output" "$(dmesg | tail -n 5)"
fi

# ---- Disks without zones, and disks that are in use.
make_nullb plain size=64 blocksize=512
numbers /dev/plain
head -c 100000 /dev/urandom | head -c 99840 >"$tmp/data"
check "a write inside a plain disk" "$zb" write block:/dev/plain --offset 1536 --input "$tmp/data"
"$zb" read block:/dev/plain --offset 1536 --length 99840 >"$tmp/back"
check "the plain disk reads back the same" cmp "$tmp/data" "$tmp/back"
refused "a reset on a plain disk" 'this disk has no zones' "$zb" reset block:/dev/plain --all
equal "a device without discards: no limits of discards" "None None" \
  "$(info /dev/plain limits.max_discard) $(info /dev/plain limits.discard_granularity)"
make_nullb trimmed size=64 blocksize=512 discard=1
equal "a device with discards: the limits in sysfs" \
  "$(cat /sys/block/trimmed/queue/discard_max_bytes) $(cat /sys/block/trimmed/queue/discard_granularity)" \
  "$(info /dev/trimmed limits.max_discard) $(info /dev/trimmed limits.discard_granularity)"
equal "a zoned disk: no discards and no writes of zeroes" "None None" \
  "$(info /dev/below limits.max_discard) $(info /dev/below limits.max_write_zeroes)"

exec 7<>/dev/plain
refused "a disk open for writing elsewhere: the message names the process" "open for writing in .* \(process $$\)" \
  "$zb" write block:/dev/plain --offset 0 --input "$tmp/data"
check "--force writes all the same" "$zb" write --force block:/dev/plain --offset 0 --input "$tmp/data"
check "reading is allowed" "$zb" read block:/dev/plain --offset 0 --length 512 --output "$tmp/back"
exec 7>&-
exec 7</dev/plain
check "a disk open only for reading elsewhere can be written" "$zb" write block:/dev/plain --offset 0 --input "$tmp/data"
exec 7>&-
/usr/bin/python3 -c 'import os, sys, time
fd = os.open("/dev/plain", os.O_RDONLY | os.O_EXCL)
print("held", flush=True)
time.sleep(60)' >"$tmp/held" &
holder=$!
until_there 20 grep -q held "$tmp/held"
refused "a disk held exclusively: the message names the process" "open in python.* \(process $holder\)" \
  "$zb" write block:/dev/plain --offset 0 --input "$tmp/data"
refused "a disk held exclusively, with --force" "open in python.* \(process $holder\).*--force does not help" \
  "$zb" write --force block:/dev/plain --offset 0 --input "$tmp/data"
refused "a disk held exclusively, as the output of a verb" "is a disk in use" \
  "$zb" read block:/dev/below --offset 0 --length 4K --output /dev/plain
kill $holder
wait $holder 2>/dev/null

blockdev --setro /dev/plain
refused "a disk that the kernel marked read-only" 'marked read-only' "$zb" write block:/dev/plain --offset 0 --input "$tmp/data"
blockdev --setrw /dev/plain
mkswap /dev/plain >/dev/null 2>&1 && swapon /dev/plain
for force in '' --force; do
  refused "a disk used for swapping${force:+, with $force}" 'used for swapping.*--force does not help' \
    "$zb" write $force block:/dev/plain --offset 0 --input "$tmp/data"
done
swapoff /dev/plain

# An MBR partition table: one entry (type 83h, 40960 sectors from sector 2048), and the signature.
modprobe loop
truncate -s 64M "$tmp/image"
printf '\0\0\0\0\x83\0\0\0\0\x08\0\0\0\xa0\0\0' | dd of="$tmp/image" bs=1 seek=446 conv=notrunc status=none
printf '\x55\xaa' | dd of="$tmp/image" bs=1 seek=510 conv=notrunc status=none
if loop=$(losetup --partscan --find --show "$tmp/image") && until_there 10 test -b "${loop}p1"; then
  refused "a partitioned disk" "has the partition ${loop}p1" \
    "$zb" write "block:$loop" --offset 0 --input "$tmp/data"
  check "a partitioned disk, with --force" "$zb" write --force "block:$loop" --offset 32M --input "$tmp/data"
  check "its partition can be written" "$zb" write "block:${loop}p1" --offset 0 --input "$tmp/data"
  dd if="$loop" of="$tmp/back" bs=512 skip=2048 count=195 iflag=direct status=none
  check "the partition begins where the table says" cmp "$tmp/data" "$tmp/back"
  equal "the partition has the size in the table" $((40960 * 512)) "$(info "${loop}p1" size)"
  losetup --detach "$loop"
else
  fail "a loop device has a partition"
fi

# ---- Paths that are not block devices.
refused "a directory" 'is a directory' "$zb" info block:/tmp
refused "a character device" 'character device' "$zb" info block:/dev/null
modprobe sg
sg=/dev/$(basename "/sys/block/${scsi#/dev/}"/device/scsi_generic/*)
refused "a SCSI generic node: the message names the block device" "its block device is $scsi" "$zb" info "block:$sg"
refused "an NVMe generic node: the message names the block device" "its block device is /dev/nvme0n1" "$zb" info block:/dev/ng0n1

# ---- A disk that is removed.
echo 1 >"/sys/block/${scsi#/dev/}/device/delete"
refused "a disk that was removed" 'No such file' "$zb" info "block:$scsi"
finish
