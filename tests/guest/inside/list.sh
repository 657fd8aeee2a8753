#!/bin/bash
# Every kind of zoned disk in one guest: list, info, create --like, the other commands, and bench.
. "$(dirname "$0")/lib.sh"
zb=$ZONEBRIDGE
temporary=$(mktemp -d)

# json EXPRESSION: prints the Python expression, in which d is the JSON document on standard input.
json() { python3 -c "import json, sys; d = json.load(sys.stdin); print($1)"; }

# ---- The disks: null_blk (capacity below size, conventional zones, both limits), scsi_debug, QEMU's two
# ZNS namespaces and one ordinary namespace, and a host-aware disk that zonebridge serves.
modprobe -a sd_mod sg nvme loop
modprobe configfs
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
modprobe null_blk nr_devices=0
made=/sys/kernel/config/nullb/zbnull
mkdir "$made"
for setting in size=64 memory_backed=1 zoned=1 zone_size=4 zone_capacity=3 zone_nr_conv=2 \
  zone_max_open=4 zone_max_active=6 blocksize=4096; do
  echo "${setting#*=}" >"$made/${setting%%=*}"
done
echo 1 >"$made/power"
modprobe scsi_debug zbc=host-managed dev_size_mb=64 delay=0 zone_size_mb=4 zone_nr_conv=3 \
  zone_max_open=5 || give_up "scsi_debug"
until_there 20 find_disk >/dev/null || give_up "scsi_debug's disk appears"
sd=$(find_disk)
sg=/dev/$(basename "/sys/block/${sd#/dev/}"/device/scsi_generic/*)
bsg=/dev/bsg/$(basename "$(readlink -f "/sys/block/${sd#/dev/}/device")")
aware_disk() { local found; found=$(grep -l ZBRIDGE /sys/block/sd*/device/vendor | head -n 1); found=${found%/device/vendor}; [ -n "$found" ] && echo "/dev/${found##*/}"; }
until_there 20 aware_disk >/dev/null || give_up "the host-aware disk appears"
aware=$(aware_disk)
null=/dev/zbnull
until_there 10 test -b $null
# Linux finds the controllers in any order, so identify them by their serial numbers.
controller() { local found; found=$(grep -l "ZB-NS-$1" /sys/class/nvme/nvme*/serial) && basename "$(dirname "$found")"; }
for number in 0 1 2; do
  until_there 20 controller $number >/dev/null || give_up "the controller ZB-NS-$number appears" "$(dmesg | tail -n 5)"
done
zns=$(controller 0) odd=$(controller 1) plain=$(controller 2)
zns_block=/dev/${zns}n1 zns_generic=/dev/ng${zns#nvme}n1 odd_generic=/dev/ng${odd#nvme}n1
plain_block=/dev/${plain}n1
until_there 20 test -b "$zns_block" -a -c "$zns_generic" -a -b "$plain_block" -a -c "$odd_generic" ||
  give_up "the namespaces appear" "$(ls /dev/nvme* /dev/ng*)"
until_there 20 has_zones "$zns_block" || give_up "the kernel reads the zones of $zns_block" "$(dmesg | tail -n 5)"

# ---- list
"$zb" list >"$temporary/list" 2>&1 || fail "list" "$(cat "$temporary/list")"
cat "$temporary/list"
"$zb" list --all --json >"$temporary/json" || fail "list --all --json"
devices_of() { json "' '.join([x['devices'] for x in d['disks'] if x['disk'] == '$1'][0])" <"$temporary/json"; }
reason_of() { json "[x['reason'] for x in d['others'] if x['disk'] == '$1'][0]" <"$temporary/json"; }
shape_of() { json "[(x['model'], x['size'], x['zone_size'], x['zone_count']) for x in d['disks'] if x['disk'] == '$1'][0]" <"$temporary/json"; }
equal "list: five zoned disks" 5 "$(json "len(d['disks'])" <"$temporary/json")"
equal "list: a SCSI disk by block and scsi" "block:$sd scsi:$sg" "$(devices_of "$sd")"
equal "list: null_blk by block" "block:$null" "$(devices_of "$null")"
equal "list: a namespace by nvme and block" "nvme:$zns_generic block:$zns_block" "$(devices_of "$zns_block")"
equal "list: a namespace without a block device by nvme" "nvme:$odd_generic" "$(devices_of "$odd_generic")"
equal "list: sizes from sysfs" "('host-managed', 67108864, 4194304, 16)" "$(shape_of "$sd")"
equal "list: sizes asked of the disk" "('host-managed', 50331648, 3145728, 16)" "$(shape_of "$odd_generic")"
match "list --all: an ordinary namespace has no zones" "no zones" "$(reason_of "$plain_block")"
match "list --all: the reason for a loop device" "loop" "$(reason_of /dev/loop0)"
nobody=$(setpriv --reuid=65534 --regid=65534 --clear-groups "$zb" list 2>&1)
match "list: needs no privilege for what is in sysfs" "^$sd: host-managed" "$nobody"
match "list --all: names the disks that it may not examine" "could not be examined" "$(setpriv --reuid=65534 --regid=65534 --clear-groups "$zb" list --all 2>&1)"

# ---- Which transport, and why
# picked NAME DEVICE TRANSPORT REASON: checks which transport info shows, and why.
picked() {
  local answer
  answer=$("$zb" info "$2" 2>&1)
  match "open: $1" "^transport +$3 \(.*$4" "$answer"
  match "open: $1: the data path" "^data path +[^ ]" "$answer"
}
picked "a SCSI disk" "$sd" block "host-managed SCSI disk"
picked "a SCSI generic node" "$sg" scsi "SCSI generic"
picked "a bsg node" "$bsg" scsi "bsg"
picked "a null_blk disk" "$null" block "host-managed block device"
picked "a ZNS namespace" "$zns_block" nvme "ZNS namespace with a generic node, $zns_generic"
picked "a ZNS namespace's generic node" "$zns_generic" nvme "ZNS namespace"
picked "a ZNS namespace without a block device" "$odd_generic" nvme "namespace"
picked "an ordinary namespace" "$plain_block" block "without zones"
picked "a prefix of the user" "block:$zns_block" block "prefix block:"
# A user who may not send NVMe commands gets the block device, and a reason.
chmod o+r "$zns_block"
answer=$(setpriv --reuid=65534 --regid=65534 --clear-groups "$zb" info "$zns_block" 2>&1)
match "open: falls back where nvme: is not permitted" "^transport +block \(.*nvme: was tried first" "$answer"
refused "open: with --data-path there is no fallback" "Permission denied" \
  setpriv --reuid=65534 --regid=65534 --clear-groups "$zb" info --data-path ioctl "$zns_block"
answer=$("$zb" info --data-path ioctl "$zns_block" 2>&1)
match "open: --data-path ioctl" "^data path .*ioctl" "$answer"
answer=$("$zb" info --data-path io_uring "$zns_block" 2>&1)
match "open: --data-path io_uring" "^data path .*io_uring" "$answer"

# ---- create --like: the new disk has all properties that an emulated disk can copy.
alike='[d[k] for k in ("model", "size", "zone_size", "zone_count", "zone_capacity", "logical_block_size", "physical_block_size")] + [d["limits"]["max_open"], d["limits"]["max_active"], d["zones"]["by_type"]]'
for device in "$sd" "$sg" "$null" "$zns_block" "$odd_generic" "$plain_block"; do
  twin=$temporary/twin$(tr / - <<<"$device")
  check "create --like $device" "$zb" create "$twin" --like "$device"
  equal "the twin of $device is like it" "$("$zb" info "$device" --json | json "$alike")" \
    "$("$zb" info "$twin" --json | json "$alike")"
done

# ---- The same commands on each disk
for device in "block:$sd" "scsi:$sg" "$null" "block:$zns_block" "nvme:$zns_generic" "$odd_generic"; do
  "$zb" reset "$device" --all >"$temporary/out" 2>&1 || fail "reset $device" "$(cat "$temporary/out")"
  zone=5
  start=$("$zb" report "$device" --json | json "d['zones'][$zone]['start']")
  head -c 65536 /dev/urandom >"$temporary/data"
  equal "append to $device" "$start" "$("$zb" append "$device" --zone $zone --input "$temporary/data" 2>&1)"
  check "read from $device" "$zb" read "$device" --offset "$start" --length 65536 --output "$temporary/back"
  check "the data read from $device is as written" cmp "$temporary/data" "$temporary/back"
  refused "a write not at the pointer on $device" "not at the zone's write pointer" "$zb" write "$device" --offset $((start + 131072)) --input "$temporary/data"
  check "finish on $device" "$zb" finish "$device" --zone $zone
  equal "the zone's state on $device" full "$("$zb" report "$device" --json | json "d['zones'][$zone]['state']")"
  refused "a write to a full zone on $device" "the zone is full" "$zb" write "$device" --offset "$start" --input "$temporary/data"
  check "reset on $device" "$zb" reset "$device" --zone $zone
done

# ---- bench: it runs, prints numbers, and is refused where data would be lost.
# All works run on one native transport and on the block layer, and two works on the other disks.
for device in "block:$sd" "nvme:$zns_generic" "scsi:$sg" "$null" "$odd_generic"; do
  works=(seqwrite randread)
  case $device in block:* | nvme:*) works+=(append report) ;; esac
  for work in "${works[@]}"; do
    check "bench $work on $device" "$zb" bench "$device" --work "$work" --depth 8 --runtime 1 --force --json "$temporary/result"
    # The rate and the latency must not be zero.
    match "bench $work on $device: numbers" '^[1-9][0-9]* IOPS, p99 [1-9]' \
      "$(json "'%.0f IOPS, p99 %.3f us' % ((r := d['results'][0])['iops'], r['latency']['p99'] / 1000)" <"$temporary/result" |
        tee "$temporary/numbers")"
    printf '%-9s %-24s %s\n' "$work" "$device" "$(cat "$temporary/numbers")"
  done
done
refused "bench refuses to destroy data" "would be lost.*--force" "$zb" bench "block:$sd" --work append --runtime 1

# ---- Disks in use by other programs
"$zb" reset "$null" --all >"$temporary/out" 2>&1
exec 9<>"$null"
refused "a disk open for writing elsewhere: the message names the process" "open for writing in .* \(process $$\)" "$zb" write "$null" --offset 0 --input "$temporary/data"
check "--force writes all the same" "$zb" write "$null" --offset 0 --input "$temporary/data" --force
match "list names the user of a disk" "in use: .*open" "$("$zb" list)"
exec 9>&-

# ---- A host-aware disk, which this kernel shows as an ordinary disk.
name=${aware#/dev/} aware_sg=/dev/$(basename "/sys/block/${aware#/dev/}"/device/scsi_generic/*)
equal "the kernel shows a host-aware disk without zones" none "$(cat "/sys/block/$name/queue/zoned")"
equal "list: a host-aware disk by scsi only" "scsi:$aware_sg" "$(devices_of "$aware")"
equal "list: the model and zones of a host-aware disk" "('host-aware', 67108864, 4194304, 16)" "$(shape_of "$aware")"
match "list: a note says why there is no block: name" "note: this kernel's block layer shows it without zones" "$(cat "$temporary/list")"
picked "a host-aware disk" "$aware" scsi "host-aware SCSI disk whose zones this kernel"
match "open: a host-aware disk: the model" "^model +host-aware" "$("$zb" info "$aware" 2>&1)"
answer=$("$zb" info "block:$aware" 2>&1)
match "open: a host-aware disk by block: has no zones" "^model +none" "$answer"
match "open: a host-aware disk by block: a notice names the scsi: name" "^notice .*host-aware.* scsi:$aware " "$answer"
start=$((5 << 22))
head -c 65536 /dev/urandom >"$temporary/data"
check "write to a host-aware disk" "$zb" write "$aware" --offset $start --input "$temporary/data"
check "write elsewhere in the same zone" "$zb" write "$aware" --offset $((start + 131072)) --input "$temporary/data"
dd if="$aware" of="$temporary/back" bs=64k skip=$((start / 65536)) count=1 iflag=direct 2>/dev/null
check "the block layer reads the same data" cmp "$temporary/data" "$temporary/back"
check "finish on a host-aware disk" "$zb" finish "$aware" --zone 5
equal "the zone's state" full "$("$zb" report "$aware" --json | json "d['zones'][5]['state']")"
check "reset on a host-aware disk" "$zb" reset "$aware" --zone 5

# ---- A plain SCSI disk.
until_there 20 rmmod scsi_debug
modprobe scsi_debug dev_size_mb=32 delay=0
scsi_disk() { local found; found=$(grep -l scsi_debug /sys/block/sd*/device/model | head -n 1); found=${found%/device/model}; [ -b "/dev/${found##*/}" ] && echo "/dev/${found##*/}"; }
until_there 20 scsi_disk >/dev/null || give_up "an ordinary SCSI disk appears" "$(dmesg | tail -n 5)"
"$zb" list --all --json >"$temporary/json"
match "list --all: an ordinary SCSI disk has no zones" "no zones" "$(reason_of "$(scsi_disk)")"
picked "an ordinary SCSI disk" "$(scsi_disk)" block "without zones"
rm -rf "$temporary"
finish
