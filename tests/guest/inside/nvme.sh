#!/bin/bash
# The nvme transport on every kind of namespace in the lab.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/nvmet.sh"
zb=$ZONEBRIDGE
tmp=$(mktemp -d)

# field DEVICE KEY[.KEY...]: a value of `info --json`.
field() { "$zb" info "nvme:$1" --json | python3 -c 'import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("."):
    value = value[key]
print(value)' "$2"; }

# same_report DEVICE WHEN: checks that zonebridge and nvme-cli report the same zones.
same_report() {
  "$zb" report "nvme:$1" --json >"$tmp/ours"
  nvme zns report-zones "$1" -o json >"$tmp/theirs" 2>/dev/null
  check "${1#/dev/}: report agrees with nvme-cli, $2" "$(dirname "$0")/same-zones.py" \
    "$tmp/ours" "$tmp/theirs" "$(field "$1" logical_block_size)"
}

# state_of DEVICE ZONE: "STATE POINTER-FROM-START".
state_of() {
  "$zb" report "nvme:$1" --json | python3 -c 'import json, sys
zone = json.load(sys.stdin)["zones"][int(sys.argv[1])]
pointer = zone["write_pointer"]
print(zone["state"], "-" if pointer is None else pointer - zone["start"])' "$2"
}

# through_the_verbs DEVICE ZONE-SIZE [OPTION...]: writes, reads, appends, and applies actions to zones.
through_the_verbs() {
  local node=$1 disk=nvme:$1 size=$2 name=${1#/dev/}${3:+ $3} start block
  local options=("${@:3}")
  start=$((3 * size)) block=$(field "$node" logical_block_size)
  head -c 65536 /dev/urandom >"$tmp/data"
  check "$name: reset all" "$zb" reset "$disk" --all
  check "$name: write at the pointer" "$zb" write "$disk" "${options[@]}" --offset "$start" --input "$tmp/data"
  "$zb" read "$disk" "${options[@]}" --offset "$start" --length 65536 >"$tmp/back"
  check "$name: it reads back the same" cmp "$tmp/data" "$tmp/back"
  nvme read "$node" --start-block=$((start / block)) --block-count=$((65536 / block - 1)) \
    --data-size=65536 --data="$tmp/back" >/dev/null 2>&1
  check "$name: nvme-cli reads the same" cmp "$tmp/data" "$tmp/back"
  refused "$name: a write not at the pointer" "not at the zone's write pointer" \
    "$zb" write "$disk" "${options[@]}" --offset $((start + 131072)) --input "$tmp/data"
  equal "$name: the pointer is behind the written data" "implicit-open 65536" "$(state_of "$node" 3)"
  head -c "$block" "$tmp/data" >"$tmp/piece"
  equal "$name: an append reports the place of its data" $((start + 65536)) \
    "$("$zb" append "$disk" "${options[@]}" --zone 3 --input "$tmp/piece")"
  equal "$name: the next append reports the place behind it" $((start + 65536 + block)) \
    "$("$zb" append "$disk" "${options[@]}" --zone 3 --input "$tmp/piece")"
  check "$name: open" "$zb" open "$disk" "${options[@]}" --zone 3
  same_report "$node" "with zone 3 open"
  check "$name: close" "$zb" close "$disk" "${options[@]}" --zone 3
  check "$name: finish another zone" "$zb" finish "$disk" "${options[@]}" --zone 5
  same_report "$node" "with zones closed and full"
  refused "$name: a write to a full zone" 'the zone is full' \
    "$zb" write "$disk" "${options[@]}" --offset $((5 * size)) --input "$tmp/data"
  check "$name: reset" "$zb" reset "$disk" "${options[@]}" --zone 5
  equal "$name: the zone is empty" "empty 0" "$(state_of "$node" 5)"
}

# on_device DEVICE: runs the transport's own tests with both data paths.
on_device() {
  local way
  for way in io_uring ioctl; do
    gtest "${1#/dev/}: nvme_on_device by $way" "$ZB_ON_DEVICE" "$1" "$way"
  done
}

modprobe nvme
until_there 20 test -e /sys/class/nvme/nvme3
for serial in 0 1 2 3; do until_there 10 find_namespace "ZB-NVME-$serial" || give_up "namespace $serial appears"; done

# ---- A namespace for which Linux has a block device, too.
find_namespace ZB-NVME-0
equal "MDTS bounds a transfer" 131072 "$(field "$generic" limits.max_transfer)"
equal "ZASL bounds an append" 65536 "$(field "$generic" limits.max_append)"
equal "MOR and MAR" "6 10" "$(field "$generic" limits.max_open) $(field "$generic" limits.max_active)"
equal "the data path" "io_uring commands" "$(field "$generic" data_path)"
equal "the block node has the same unique id" "$(field "$generic" identity.unique_id)" "$(field "$block" identity.unique_id)"
same_report "$generic" "at first"
through_the_verbs "$generic" $((4 << 20))
through_the_verbs "$generic" $((4 << 20)) --data-path ioctl
on_device "$generic"

# ---- Another program uses the block node.
"$zb" reset "nvme:$generic" --all >/dev/null
sleep 1000 <>"$block" &
holder=$!
refused "a reset while another process has the block node open for writing" "process $holder" "$zb" reset "nvme:$generic" --zone 1
check "info meanwhile" "$zb" info "nvme:$generic"
check "a reset meanwhile with --force" "$zb" reset "nvme:$generic" --zone 1 --force
kill "$holder"
wait "$holder" 2>/dev/null
find_namespace ZB-NVME-2
if mke2fs -q -F "$block" 2>/dev/null; then
  mkdir -p /tmp/mounted
  modprobe ext4
  check "mount the block node" mount -t ext4 "$block" /tmp/mounted
  head -c 4096 /dev/zero >"$tmp/zeroes"
  refused "a write while the block node is mounted" "mounted at /tmp/mounted" \
    "$zb" write "nvme:$generic" --offset 0 --input "$tmp/zeroes"
  refused "a write while the block node is mounted, with --force" "mounted at /tmp/mounted" \
    "$zb" write "nvme:$generic" --offset 0 --input "$tmp/zeroes" --force
  umount /tmp/mounted
else
  fail "mke2fs makes a file system to mount"
fi

# ---- A namespace without zones is an ordinary disk; one with metadata is refused.
find_namespace ZB-NVME-2
equal "without zones: the model" none "$(field "$generic" model)"
check "without zones: write" "$zb" write "nvme:$generic" --offset 1M --input "$tmp/data"
"$zb" read "nvme:$generic" --offset 1M --length 65536 >"$tmp/back"
check "without zones: it reads back the same" cmp "$tmp/data" "$tmp/back"
find_namespace ZB-NVME-3
refused "a namespace with metadata" '8 bytes of metadata' "$zb" info "nvme:$generic"

# ---- Zones whose size is not a power of two: Linux has no block device for these.
find_namespace ZB-NVME-1
check "3 MiB: there is no block device" test ! -e "$block"
equal "3 MiB: the zone size" $((3 << 20)) "$(field "$generic" zone_size)"
same_report "$generic" "at first"
through_the_verbs "$generic" $((3 << 20))
on_device "$generic"

# ---- A process without privileges needs only the right to the node. An error message names that right.
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
refused "info without the right to read the node" 'Permission denied.*root' "${nobody[@]}" "$zb" info "nvme:$generic"
chmod 644 "$generic"
check "report with the right to read the node" "${nobody[@]}" "$zb" report "nvme:$generic"
refused "reset without the right to write to the node" 'Permission denied.*root' "${nobody[@]}" "$zb" reset "nvme:$generic" --zone 1
chmod 666 "$generic"
check "reset with the right to write to the node" "${nobody[@]}" "$zb" reset "nvme:$generic" --zone 1
chmod 600 "$generic"

# ---- The namespace is removed while requests are in flight.
"$zb" reset "nvme:$generic" --all >/dev/null
head -c 3M /dev/urandom >"$tmp/zone"
for zone in 0 1 2 3; do "$zb" write "nvme:$generic" --offset $((zone * (3 << 20))) --input "$tmp/zone" >/dev/null; done
(while "$zb" read "nvme:$generic" --offset 0 --length 12M; do :; done >/dev/null 2>"$tmp/gone") &
reader=$!
sleep 1
echo 1 >"$pci/remove"
if until_there 30 sh -c "! kill -0 $reader"; then
  pass "removed under a reader: the reader ends"
else
  fail "removed under a reader: the reader ends"
  kill -9 "$reader"
fi
# The kernel may answer the reader's last command with EINVAL, because it is removing the controller then.
match "removed under a reader: the message says that the device is gone" 'gone|No such|ENODEV|ENOENT|ENXIO|EINVAL' "$(cat "$tmp/gone")"
match "removed under a reader: the next read says that the device is gone" 'gone|No such|ENODEV|ENOENT|ENXIO' \
  "$("$zb" read "nvme:$generic" --offset 0 --length 4096 2>&1 >/dev/null)"

# ---- Another controller: Linux's own target over a zoned null_blk, by loop and by TCP.
make_nullb zbtarget size=64 zoned=1 zone_size=4 zone_capacity=3 zone_max_open=6 zone_max_active=8 ||
  give_up "a zoned null_blk"
nvmet_offer zbtarget /dev/zbtarget && nvmet_port loop zbtarget && nvmet_port tcp zbtarget ||
  give_up "nvmet" "$(dmesg | tail -n 5)"
for way in loop tcp; do
  generic=$(nvmet_connect "$way" zbtarget) || give_up "nvme-$way connects" "$(dmesg | tail -n 5)"
  equal "nvme-$way: MOR and MAR" "6 8" "$(field "$generic" limits.max_open) $(field "$generic" limits.max_active)"
  through_the_verbs "$generic" $((4 << 20))
  on_device "$generic"
  nvmet_disconnect zbtarget
  until_there 10 test ! -e "$generic"
done
finish
