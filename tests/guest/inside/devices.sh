# For scripts inside the lab guest: a zoned disk for each transport, and what the host's own tools
# say of it. Source it first.
# shellcheck shell=bash

devices_here=$(dirname "${BASH_SOURCE[0]}")
. "$devices_here/lib.sh"
. "$devices_here/nvmet.sh"

# make_scsi_disk OPTION...: the kernel's simulated disk; sets scsi_block, scsi_sg, scsi_bsg.
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

# make_transports FOLDER: a disk for each of the transports, all different in size, for `zonebridge`
# by spec[NAME], as the kernel's own block device node[NAME], and shape[NAME] in the words of lib.sh.
# The namespace is that of host.sh's transports_namespace; files go to FOLDER.
# shellcheck disable=SC2034
make_transports() {
  spec=([emulated]=emulated:$1/emulated.zb)
  "$zonebridge" create "$1/emulated.zb" --size 256M --zone-size 4M --conventional 4 --max-open 8 \
    --max-active 12 >"$1/created" 2>&1 || give_up "an emulated disk is made" "$(cat "$1/created")"
  make_scsi_disk dev_size_mb=272 zone_size_mb=4 zone_nr_conv=4 zone_max_open=8 ||
    give_up "scsi_debug gives a disk" "$(dmesg | tail -n 5)"
  spec[scsi_debug]=scsi:$scsi_sg node[scsi_debug]=$scsi_block
  # Its usual 127.5 KiB a request would split writes of 128 KiB, and what io_uring would have to split
  # it passes to workers, who do not keep the order of a zone's writes.
  make_nullb zbnull size=288 zoned=1 zone_size=4 zone_capacity=3 zone_nr_conv=4 zone_max_open=8 \
    zone_max_active=12 max_sectors=1024 || give_up "null_blk gives a disk" "$(dmesg | tail -n 5)"
  spec[null_blk]=block:/dev/zbnull node[null_blk]=/dev/zbnull
  # A multipath head tells Linux no limits on open and active zones.
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
transports=(emulated scsi_debug null_blk zns)

# same_as_own NAME WHEN REPORT: blkzone's REPORT of what the guest has agrees, zone by zone, with the
# disk's own by every tool that knows it.
same_as_own() {
  local own=$work/$1.own zones=$devices_here/same-zones.py
  [ -s "$3" ] || { fail "$1: $2 the zones are the disk's own" "the guest has reported none"; return; }
  "$zonebridge" report "${spec[$1]}" --json >"$own"
  check "$1: $2 the zones are zonebridge's own" "$zones" "$3" "$own"
  case $1 in emulated) return ;; esac
  blkzone report "${node[$1]}" >"$own"
  check "$1: $2 the zones are blkzone's" "$zones" "$3" "$own"
  case $1 in
    scsi_debug)
      sg_rep_zones --readonly --maxlen=65536 "${spec[$1]#scsi:}" >"$own"
      check "$1: $2 the zones are sg_rep_zones'" "$zones" "$3" "$own" 512 ;;
    zns)
      nvme zns report-zones "${spec[$1]#nvme:}" -o json >"$own" 2>/dev/null
      check "$1: $2 the zones are nvme-cli's" "$zones" "$3" "$own" 512 ;;
  esac
}
