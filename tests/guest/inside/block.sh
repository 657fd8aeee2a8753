#!/bin/bash
# The block transport on every kind of block device that the lab's kernel has.
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

# numbers DEVICE [OPEN ACTIVE]: what info says against what sysfs says; an NVMe multipath head has
# no limits there, so they are given.
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
  equal "$name: info is what sysfs says" "$expected" "$got"
}

# same_report DEVICE WHEN
same_report() {
  "$zb" report "block:$1" --json >"$tmp/ours"
  blkzone report "$1" >"$tmp/theirs"
  check "${1#/dev/}: report is what blkzone says, $2" "$here/same-zones.py" "$tmp/ours" "$tmp/theirs"
}

# zone_of DEVICE ZONE: "STATE POINTER-FROM-START".
zone_of() {
  "$zb" report "block:$1" --json | /usr/bin/python3 -c 'import json, sys
zone = json.load(sys.stdin)["zones"][int(sys.argv[1])]
pointer = zone["write_pointer"]
print(zone["state"], "-" if pointer is None else pointer - zone["start"])' "$2"
}

# through_the_verbs DEVICE ZONE-SIZE: write, read back, and every action in one zone.
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
  refused "$name: not at the pointer" 'write pointer' \
    "$zb" write "block:$disk" --offset $((start + 131072)) --input "$tmp/data"
  check "$name: and the pointer's place still takes data" \
    "$zb" write "block:$disk" --offset $((start + 65536)) --input "$tmp/data"
  check "$name: append" "$zb" append "block:$disk" --zone "$zone" --input "$tmp/data"
  equal "$name: all three moved it" "implicit-open 196608" "$(zone_of "$disk" "$zone")"
  check "$name: open" "$zb" open "block:$disk" --zone "$zone"
  equal "$name: it is open" "explicit-open 196608" "$(zone_of "$disk" "$zone")"
  check "$name: close" "$zb" close "block:$disk" --zone "$zone"
  equal "$name: it is closed" "closed 196608" "$(zone_of "$disk" "$zone")"
  same_report "$disk" "with a closed zone"
  check "$name: open all" "$zb" open "block:$disk" --all
  equal "$name: the closed one is open" "explicit-open 196608" "$(zone_of "$disk" "$zone")"
  check "$name: close all" "$zb" close "block:$disk" --all
  equal "$name: and closed again" "closed 196608" "$(zone_of "$disk" "$zone")"
  check "$name: finish" "$zb" finish "block:$disk" --zone "$zone"
  equal "$name: it is full" "full -" "$(zone_of "$disk" "$zone")"
  refused "$name: a full zone takes nothing" full \
    "$zb" write "block:$disk" --offset "$start" --input "$tmp/data"
  same_report "$disk" "with a full zone"
  check "$name: finish all" "$zb" finish "block:$disk" --all
  check "$name: reset" "$zb" reset "block:$disk" --zone "$zone"
  equal "$name: it is empty" "empty 0" "$(zone_of "$disk" "$zone")"
  "$zb" write "block:$disk" --offset "$start" --input "$tmp/data" >/dev/null 2>&1
  check "$name: reset all" "$zb" reset "block:$disk" --all
  equal "$name: nothing is left open" 0 "$(blkzone report "$disk" | grep -Ec 'zcond: ?([234]|14)\(')"
  same_report "$disk" "when reset"
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
for zone in 4 5 6; do check "three zones open ($zone)" "$zb" open block:$disk --zone $zone; done
refused "the fourth is one too many" 'too many|open' "$zb" open block:$disk --zone 7
equal "and stays empty" "empty 0" "$(zone_of $disk 7)"
check "reset all with open zones" "$zb" reset block:$disk --all
head -c $((3 * mib)) /dev/urandom >"$tmp/whole"
check "a zone is filled to its capacity" "$zb" write block:$disk --offset $((16 * mib)) --input "$tmp/whole"
equal "it is full then" "full -" "$(zone_of $disk 4)"
"$zb" read block:$disk --offset $((16 * mib)) --length $((3 * mib)) >"$tmp/back"
check "and holds the data" cmp "$tmp/whole" "$tmp/back"
check "a conventional zone takes data anywhere" "$zb" write block:$disk --offset $((mib + 4096)) --input "$tmp/data"
refused "a conventional zone has no actions" 'conventional|write pointer' "$zb" reset block:$disk --zone 1

# ---- Zones that broke.
for zone in 8 9; do "$zb" write block:$disk --offset $((zone * 4 * mib)) --input "$tmp/data" >/dev/null; done
echo $((8 * 8192)) >$nullb_config/znull512/zone_readonly
echo $((9 * 8192)) >$nullb_config/znull512/zone_offline
equal "a read-only zone" "read-only -" "$(zone_of $disk 8)"
equal "an offline zone" "offline -" "$(zone_of $disk 9)"
same_report $disk "with broken zones"
refused "a read-only zone takes no data" 'read-only|read only' "$zb" write block:$disk --offset $((32 * mib + 4096)) --input "$tmp/data"
check "but can be read" "$zb" read block:$disk --offset $((32 * mib)) --length 4096 --output "$tmp/back"
refused "an offline zone takes no data" offline "$zb" write block:$disk --offset $((36 * mib + 4096)) --input "$tmp/data"
refused "nor gives any" "offline|can't be read" "$zb" read block:$disk --offset $((36 * mib)) --length 4096 --output /dev/null
refused "nor can it be reset" offline "$zb" reset block:$disk --zone 9

# ---- Other real devices.
modprobe scsi_debug zbc=host-managed dev_size_mb=96 zone_size_mb=4 zone_nr_conv=3 zone_max_open=4 delay=0
modprobe sd_mod
if until_there 20 find_disk >/dev/null; then
  scsi=$(find_disk)
  until_there 10 test "$(cat "/sys/block/${scsi#/dev/}/queue/nr_zones")" -gt 0
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
  fail "QEMU's namespace is there"
fi

# ---- Device mapper: a zoned disk of its own, and the holder of the one below. No udev here makes
# /dev/mapper/linear; the kernel's own name for it is always there.
modprobe dm_mod
make_nullb below size=64 zoned=1 zone_size=4 zone_nr_conv=2 zone_max_open=4
echo "0 $((64 * 2048)) linear /dev/below 0" | DM_DISABLE_UDEV=1 dmsetup create linear
dm=/dev/dm-$(dmsetup info --columns --noheadings -o minor linear)
if [ -b "$dm" ]; then
  numbers "$dm"
  through_the_verbs "$dm" $((4 * mib))
  refused "what device mapper has is refused, and named" "is part of $dm \(device mapper's linear\)" \
    "$zb" reset block:/dev/below --all
  check "but can be looked at" "$zb" report block:/dev/below
  DM_DISABLE_UDEV=1 dmsetup remove linear
  check "and is free again" "$zb" reset block:/dev/below --all
else
  fail "device mapper gives a zoned disk"
fi

# ---- Mounted. btrfs wants more zones than there are above; memory is used for what is written.
make_nullb btrfs size=512 zoned=1 zone_size=4
modprobe btrfs
mkdir "$tmp/mount"
if output=$(mkfs.btrfs -q -f /dev/btrfs 2>&1 && mount -t btrfs /dev/btrfs "$tmp/mount" 2>&1); then
  refused "mounted, whose number btrfs hides" "is mounted at $tmp/mount" "$zb" reset block:/dev/btrfs --all
  check "but can be looked at" "$zb" report block:/dev/btrfs
  umount "$tmp/mount"
  check "free again" "$zb" reset block:/dev/btrfs --all
else
  fail "btrfs is mounted on a zoned disk" "$output" "$(dmesg | tail -n 5)"
fi

# ---- Disks without zones, and who holds them.
make_nullb plain size=64 blocksize=512
numbers /dev/plain
head -c 100000 /dev/urandom | head -c 99840 >"$tmp/data"
check "a plain disk takes data anywhere" "$zb" write block:/dev/plain --offset 1536 --input "$tmp/data"
"$zb" read block:/dev/plain --offset 1536 --length 99840 >"$tmp/back"
check "and gives it back" cmp "$tmp/data" "$tmp/back"
refused "a plain disk has no zones" 'no zones|unsupported|zone' "$zb" reset block:/dev/plain --all
equal "without discards it has none" "None None" \
  "$(info /dev/plain limits.max_discard) $(info /dev/plain limits.discard_granularity)"
make_nullb trimmed size=64 blocksize=512 discard=1
equal "with them, what sysfs says" \
  "$(cat /sys/block/trimmed/queue/discard_max_bytes) $(cat /sys/block/trimmed/queue/discard_granularity)" \
  "$(info /dev/trimmed limits.max_discard) $(info /dev/trimmed limits.discard_granularity)"
equal "a zoned disk has none" "None None" \
  "$(info /dev/below limits.max_discard) $(info /dev/below limits.max_write_zeroes)"

exec 7<>/dev/plain
refused "open for writing elsewhere, the process is named" "open for writing in .* \(process $$\)" \
  "$zb" write block:/dev/plain --offset 0 --input "$tmp/data"
check "--force overlooks it" "$zb" write --force block:/dev/plain --offset 0 --input "$tmp/data"
check "reading it is nobody's harm" "$zb" read block:/dev/plain --offset 0 --length 512 --output "$tmp/back"
exec 7>&-
exec 7</dev/plain
check "open for reading elsewhere is no hindrance" "$zb" write block:/dev/plain --offset 0 --input "$tmp/data"
exec 7>&-
/usr/bin/python3 -c 'import os, sys, time
fd = os.open("/dev/plain", os.O_RDONLY | os.O_EXCL)
print("held", flush=True)
time.sleep(60)' >"$tmp/held" &
holder=$!
until_there 20 grep -q held "$tmp/held"
refused "held exclusively, the process is named" "open in python.* \(process $holder\)" \
  "$zb" write block:/dev/plain --offset 0 --input "$tmp/data"
kill $holder
wait $holder 2>/dev/null

blockdev --setro /dev/plain
refused "marked read-only by the kernel" 'marked read-only' "$zb" write block:/dev/plain --offset 0 --input "$tmp/data"
blockdev --setrw /dev/plain
mkswap /dev/plain >/dev/null 2>&1 && swapon /dev/plain
refused "used for swapping" 'used for swapping' "$zb" write block:/dev/plain --offset 0 --input "$tmp/data"
swapoff /dev/plain

# A partition table as of old: one entry (83h, 40960 sectors from 2048) and the mark.
modprobe loop
truncate -s 64M "$tmp/image"
printf '\0\0\0\0\x83\0\0\0\0\x08\0\0\0\xa0\0\0' | dd of="$tmp/image" bs=1 seek=446 conv=notrunc status=none
printf '\x55\xaa' | dd of="$tmp/image" bs=1 seek=510 conv=notrunc status=none
if loop=$(losetup --partscan --find --show "$tmp/image") && until_there 10 test -b "${loop}p1"; then
  refused "a partitioned disk" "has the partition ${loop}p1" \
    "$zb" write "block:$loop" --offset 0 --input "$tmp/data"
  check "its partition is a disk of its own" "$zb" write "block:${loop}p1" --offset 0 --input "$tmp/data"
  dd if="$loop" of="$tmp/back" bs=512 skip=2048 count=195 iflag=direct status=none
  check "which begins where the table says" cmp "$tmp/data" "$tmp/back"
  equal "of its own size" $((40960 * 512)) "$(info "${loop}p1" size)"
  losetup --detach "$loop"
else
  fail "a loop device has a partition"
fi

# ---- What is no block device.
refused "a directory" 'is a directory' "$zb" info block:/tmp
refused "a character device" 'character device' "$zb" info block:/dev/null
modprobe sg
sg=/dev/$(basename "/sys/block/${scsi#/dev/}"/device/scsi_generic/*)
refused "a SCSI generic node, its block device named" "its block device is $scsi" "$zb" info "block:$sg"
refused "an NVMe generic node likewise" "its block device is /dev/nvme0n1" "$zb" info block:/dev/ng0n1

# ---- A disk that goes away.
echo 1 >"/sys/block/${scsi#/dev/}/device/delete"
refused "a disk that was unplugged" 'No such file' "$zb" info "block:$scsi"
finish
