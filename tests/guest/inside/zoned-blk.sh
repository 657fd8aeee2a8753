#!/bin/bash
# Checks zoned virtio-blk disks in a guest, part by part; or null_blk disks, to compare with.
#
# usage: zoned-blk.sh [null_blk] ['DEVICE [NAME=VALUE...]'...]
#
# DEVICE is a block device. NAME=VALUE describes the device (zoned-lib.sh and lib.sh list the names).
# Without arguments, the descriptions come from ZB_DISKS, separated by semicolons. With null_blk as the
# first argument, the script makes null_blk disks with these names and descriptions. ZB_PARTS lists the
# parts to run, in order. If ZB_REPORTS names a folder, each disk's last report goes there.
here=$(dirname "$0")
. "$here/lib.sh"
. "$here/nvmet.sh"
parts=${ZB_PARTS:-numbers actions refusals limits fio zonefs btrfs leave}
peer=''
[ "${1:-}" != null_blk ] || { peer=null_blk; shift; }
disks=("$@")
[ $# -gt 0 ] || IFS=';' read -ra disks <<<"${ZB_DISKS:-}"

# value NAME DEFAULT: the value of NAME in $description, or DEFAULT.
value() {
  local word found=$2
  for word in "${description[@]:1}"; do
    [ "${word%%=*}" != "$1" ] || found=${word#*=}
  done
  echo "$found"
}
mib() { echo $(($1 >> 20)); }
make_peer() {
  local size
  size=$(value ZB_ZONE_SIZE "$ZB_ZONE_SIZE")
  make_nullb "${description[0]#/dev/}" size="$(mib "$(value ZB_SIZE "$ZB_SIZE")")" zoned=1 \
    zone_size="$(mib "$size")" zone_capacity="$(mib "$(value ZB_CAPACITY "$size")")" \
    zone_nr_conv="$(value ZB_CONVENTIONAL "$ZB_CONVENTIONAL")" \
    zone_max_open="$(value ZB_MAX_OPEN "$ZB_MAX_OPEN")" zone_max_active="$(value ZB_MAX_ACTIVE 0)" \
    blocksize="$(value ZB_BLOCK "$ZB_BLOCK")" max_sectors=2560 || give_up "a null_blk ${description[*]}"
  # null_blk has one block size and no write cache.
  description+=("ZB_PHYSICAL=$(value ZB_BLOCK "$ZB_BLOCK")" 'ZB_CACHE=write through')
}

status=0
for text in "${disks[@]}"; do
  read -ra description <<<"$text"
  [ -z "$peer" ] || make_peer
  disk=${description[0]}
  echo "$disk${peer:+ of $peer}: ${description[*]:1}"
  until_there 20 test -b "$disk" || { fail "$disk appears" "$(dmesg | tail -n 20)"; status=1; continue; }
  for part in $parts; do
    script=$here/zoned-$part.sh
    [ -e "$script" ] || script=$here/$part.sh
    # kernel_complaints of lib.sh looks for this line in the kernel's log.
    echo "zonebridge: part $part begins" >/dev/kmsg
    started=$SECONDS
    env ZB_NATIVE_APPEND=1 ZB_FIO_SECONDS=2 "${description[@]:1}" "$script" "$disk" || [ $? -eq 77 ] || status=1
    echo "$part: $((SECONDS - started)) s"
  done
done
[ "${#disks[@]}" -gt 0 ] || give_up "a disk is named"
exit $((status | (failures > 0)))
