# Helpers for scripts in the lab guest: find the disk under test, and compute with zones. Source this file
# first.
#
# Call a script as SCRIPT [DEVICE]. DEVICE is a block device, or "scsi_debug" for the kernel's own
# simulated disk; without DEVICE the script uses the served disk. The environment describes the disk:
# ZB_SIZE ZB_ZONE_SIZE ZB_CONVENTIONAL ZB_MAX_OPEN ZB_BLOCK ZB_PHYSICAL, sizes in bytes.
# shellcheck shell=bash disable=SC2034

ZB_SIZE=${ZB_SIZE:-$((512 << 20))} ZB_ZONE_SIZE=${ZB_ZONE_SIZE:-$((4 << 20))}
ZB_CONVENTIONAL=${ZB_CONVENTIONAL:-4} ZB_MAX_OPEN=${ZB_MAX_OPEN:-8}
ZB_BLOCK=${ZB_BLOCK:-512} ZB_PHYSICAL=${ZB_PHYSICAL:-$ZB_BLOCK}

. "$(dirname "${BASH_SOURCE[0]}")/../checks.sh"

# until_there SECONDS COMMAND...: waits until the command succeeds; fails after that many seconds. The shell
# expands the arguments only once, before the wait: a value that changes must be read by the command.
until_there() {
  local end=$((SECONDS + $1))
  shift
  until "$@" 2>/dev/null; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

# processes NAME: the ids of the processes that run this program. (Not every machine has pgrep.)
processes() {
  local process name
  for process in /proc/[0-9]*; do
    read -r name 2>/dev/null <"$process/comm" && [ "$name" = "$1" ] && echo "${process#/proc/}"
  done
  true
}

# gtest NAME COMMAND...: runs a GoogleTest program. A test that passes is a PASS line, and one that is skipped
# is a SKIP line with its reason. The run fails if it has no tests, because then the filter matches none.
gtest() {
  local name=$1 status=0 good=0 none=0 word test reason
  shift
  "$@" --gtest_color=no >/tmp/gtest 2>&1 || status=$?
  while IFS=$'\t' read -r word test reason; do
    case $word in
      OK) pass "$name: $test"; good=$((good + 1)) ;;
      SKIPPED) skipped "$name: $test" "${reason:-the test gives no reason}"; none=$((none + 1)) ;;
    esac
  done < <(awk -v OFS='\t' '
    /^\[ RUN / { reason = ""; next }
    /^\[ +(OK|SKIPPED) +\] .* ms\)$/ { sub(/,$/, "", $4); print $2, $4, reason; next }
    NF && !/: Skipped$/ { reason = reason (reason ? " " : "") $0 }' /tmp/gtest)
  if [ "$status" -ne 0 ]; then
    fail "$name" "status $status"
    grep -v '^\[ RUN\|^\[       OK' /tmp/gtest
  elif [ $((good + none)) -eq 0 ]; then
    fail "$name" "no test ran: $*"
  elif [ "$good" -gt 0 ]; then
    pass "$name: no failure in $good"
  fi
}

# find_disk [TYPE]: the first disk of this SCSI peripheral type. The default is 20, host-managed (14h).
find_disk() {
  local place
  for place in /sys/block/sd*; do
    [ "$(cat "$place/device/type" 2>/dev/null)" = "${1:-20}" ] || continue
    [ -b "/dev/${place##*/}" ] && [ "$(cat "$place/size")" -gt 0 ] || continue
    printf '/dev/%s\n' "${place##*/}"
    return 0
  done
  return 1
}

# has_zones DISK: whether the kernel has read the disk's zones, which it does just after the node appears.
has_zones() { [ "$(<"/sys/block/${1#/dev/}/queue/nr_zones")" -gt 0 ]; }

# use_disk [DEVICE]: sets disk (/dev/sdX), name (sdX), queue (its sysfs folder), sg, and zones.
use_disk() {
  case ${1:-} in
    /dev/*) disk=$1 ;;
    *)
      if [ "${1:-}" = scsi_debug ]; then
        modprobe -a sd_mod sg
        modprobe scsi_debug zbc=host-managed dev_size_mb=$((ZB_SIZE >> 20)) delay=0 \
          zone_size_mb=$((ZB_ZONE_SIZE >> 20)) zone_nr_conv="$ZB_CONVENTIONAL" \
          zone_max_open="$ZB_MAX_OPEN" sector_size="$ZB_BLOCK" \
          physblk_exp="$(exponent $((ZB_PHYSICAL / ZB_BLOCK)))" max_queue=64
      fi
      until_there 20 find_disk >/dev/null || {
        dmesg | grep -E 'scsi|sd |virtio' | tail -n 20
        give_up "a host-managed disk appears"
      }
      disk=$(find_disk) ;;
  esac
  name=${disk#/dev/} queue=/sys/block/${disk#/dev/}/queue
  until_there 20 has_zones "$disk" || give_up "the kernel reads the zones of $disk" "$(dmesg | tail -n 20)"
  sg=/dev/$(basename "/sys/block/$name"/device/scsi_generic/*)
  zones=$((ZB_SIZE / ZB_ZONE_SIZE))
  zone_blocks=$((ZB_ZONE_SIZE / ZB_BLOCK)) zone_sectors=$((ZB_ZONE_SIZE / 512))
}

exponent() {
  local value=$1 result=0
  while [ "$value" -gt 1 ]; do value=$((value / 2)) result=$((result + 1)); done
  printf '%d\n' "$result"
}

# zone_lba N: the first block of zone N. zone_at N: "CONDITION WRITE-POINTER", from REPORT ZONES.
zone_lba() { printf '%d\n' $(($1 * zone_blocks)); }
zone_at() {
  sg_rep_zones --readonly --num=1 --start="$(zone_lba "$1")" "$disk" |
    sed -n 's/^ *Zone condition: //p; s/^ *Write pointer LBA: //p' | paste -sd' ' |
    { read -r line; printf '%s %d\n' "${line% *}" "${line##* }"; }
}
# count_zones OPTION: how many zones REPORT ZONES lists for a reporting option.
count_zones() { sg_rep_zones --readonly --maxlen=65536 --report="$1" "$disk" | grep -c 'Zone descriptor'; }

# cdb16 OPCODE LBA COUNT: a CDB of 16 bytes in the form that sg_raw takes.
cdb16() {
  local lba count
  lba=$(printf '%016x' "$2") count=$(printf '%08x' "$3")
  # shellcheck disable=SC2001
  printf '%s 00 %s %s 00 00\n' "$1" "$(sed 's/../& /g' <<<"$lba")" "$(sed 's/../& /g' <<<"$count")"
}
# raw_write LBA BLOCKS, raw_read LBA BLOCKS: SCSI commands to the disk, past the block layer.
raw_write() {
  # shellcheck disable=SC2046
  head -c $(($2 * ZB_BLOCK)) /dev/urandom | sg_raw -s $(($2 * ZB_BLOCK)) "$disk" $(cdb16 8a "$1" "$2")
}
raw_read() {
  # shellcheck disable=SC2046
  sg_raw -b -r $(($2 * ZB_BLOCK)) -o /dev/null "$disk" $(cdb16 88 "$1" "$2")
}

# kernel_complaints: the kernel's errors and warnings about this disk, since the boot or since the last
# line "zonebridge: part ... begins".
kernel_complaints() {
  dmesg | awk '/zonebridge: part .* begins/ { text = "" } { text = text $0 "\n" } END { printf "%s", text }' |
    grep -E "$name|sd [0-9]|scsi|virtio|BTRFS|zonefs|WARNING|BUG|hung task|blocked for" |
    grep -Ei 'error|fail|warn|bug|abort|reset|timing|offline|sense key|corrupt' |
    grep -Ev 'Power-on or device reset|errors=|Mode Sense|scsi_debug|zonebridge: part' || true
}
