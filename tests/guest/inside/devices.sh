# Helpers for scripts in the lab guest: make a zoned disk for each transport, and compare its zones with
# the reports of other tools. Source this file first.
# shellcheck shell=bash

devices_here=$(dirname "${BASH_SOURCE[0]}")
. "$devices_here/lib.sh"
. "$devices_here/nvmet.sh"

# make_scsi_disk OPTION...: makes the kernel's simulated disk; sets scsi_block, scsi_sg, scsi_bsg.
make_scsi_disk() {
  local device
  modprobe -a sd_mod sg || return 1
  modprobe scsi_debug zbc=host-managed delay=0 max_queue=64 "$@" || return 1
  until_there 20 find_disk >/dev/null || return 1
  scsi_block=$(find_disk)
  device=/sys/block/${scsi_block#/dev/}/device
  scsi_sg=/dev/$(basename "$device"/scsi_generic/*)
  scsi_bsg=/dev/bsg/$(basename "$(readlink -f "$device")")
  until_there 10 test -e "$scsi_sg" && until_there 10 test -e "$scsi_bsg"
}
remove_scsi_disk() {
  until_there 20 rmmod scsi_debug
}

# make_transports FOLDER: makes a disk for each transport, with files in FOLDER. spec[NAME] is the disk's
# name for zonebridge, node[NAME] its block device, shape[NAME] its description in lib.sh's variables. All
# sizes are different. The NVMe namespace comes from transports_namespace of host.sh. The arrays
# scsi_debug_more and null_blk_more have further options of these two.
# shellcheck disable=SC2034
make_transports() {
  spec=([emulated]=emulated:$1/emulated.zb)
  "$zonebridge" create "$1/emulated.zb" --size 256M --zone-size 4M --conventional 4 --max-open 8 \
    --max-active 12 >"$1/created" 2>&1 || give_up "an emulated disk is made" "$(cat "$1/created")"
  make_scsi_disk dev_size_mb=272 zone_size_mb=4 zone_nr_conv=4 zone_max_open=8 "${scsi_debug_more[@]}" ||
    give_up "scsi_debug gives a disk" "$(dmesg | tail -n 5)"
  spec[scsi_debug]=scsi:$scsi_sg node[scsi_debug]=$scsi_block
  # By default a request has at most 127.5 KiB. Writes of 128 KiB would then be split, and io_uring gives
  # such writes to its worker threads, which do not keep the order of writes.
  make_nullb zbnull size=288 zoned=1 zone_size=4 zone_capacity=3 zone_nr_conv=4 zone_max_open=8 \
    zone_max_active=12 max_sectors=1024 "${null_blk_more[@]}" || give_up "null_blk gives a disk" "$(dmesg | tail -n 5)"
  spec[null_blk]=block:/dev/zbnull node[null_blk]=/dev/zbnull
  # Without multipath: a multipath head has no limits of open and active zones in sysfs.
  modprobe nvme_core multipath=N
  modprobe nvme
  until_there 20 find_namespace ZB-ZNS || give_up "QEMU's namespace appears" "$(dmesg | tail -n 5)"
  spec[zns]=nvme:$generic node[zns]=$block
}
declare -A spec=() node=() shape=(
  [emulated]="ZB_SIZE=$((256 << 20)) ZB_CONVENTIONAL=4 ZB_MAX_ACTIVE=12 ZB_BLOCK=512 ZB_PHYSICAL=4096"
  [scsi_debug]="ZB_SIZE=$((272 << 20)) ZB_CONVENTIONAL=4 ZB_BLOCK=512 ZB_PHYSICAL=512"
  [null_blk]="ZB_SIZE=$((288 << 20)) ZB_CAPACITY=$((3 << 20)) ZB_CONVENTIONAL=4 ZB_MAX_ACTIVE=12 ZB_BLOCK=512 ZB_PHYSICAL=512"
  [zns]="ZB_SIZE=$((304 << 20)) ZB_CAPACITY=$((3 << 20)) ZB_CONVENTIONAL=0 ZB_MAX_ACTIVE=12 ZB_BLOCK=512 ZB_PHYSICAL=512 ZB_CLOSED_UNWRITTEN=cl"
)
scsi_debug_more=() null_blk_more=()
transports=(emulated scsi_debug null_blk zns)

# same_as_own NAME WHEN REPORT: checks that REPORT, made by blkzone on the served disk, has the same zones
# as the reports that zonebridge and other tools make of the disk below.
same_as_own() {
  local own=$work/$1.own zones=$devices_here/same-zones.py
  [ -s "$3" ] || { fail "$1: $2 the zones are those of the disk" "the guest reported no zones"; return; }
  "$zonebridge" report "${spec[$1]}" --json >"$own"
  check "$1: $2 the zones agree with zonebridge" "$zones" "$3" "$own"
  case $1 in emulated) return ;; esac
  blkzone report "${node[$1]}" >"$own"
  check "$1: $2 the zones agree with blkzone" "$zones" "$3" "$own"
  case $1 in
    scsi_debug)
      sg_rep_zones --readonly --maxlen=65536 "${spec[$1]#scsi:}" >"$own"
      check "$1: $2 the zones agree with sg_rep_zones" "$zones" "$3" "$own" 512 ;;
    zns)
      nvme zns report-zones "${spec[$1]#nvme:}" -o json >"$own" 2>/dev/null
      check "$1: $2 the zones agree with nvme-cli" "$zones" "$3" "$own" 512 ;;
  esac
}
