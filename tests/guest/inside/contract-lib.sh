# For the contract suite in the lab guest: running it, and the devices it is run on. Source it
# first.
# shellcheck shell=bash

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# contract NAME OPTION...: one run; its lines are this script's lines.
contract() {
  local name=$1 status=0 begin=$SECONDS
  shift
  "$ZB_CONTRACT" --label "$name" --lines --table "$ZB_SHARED/rows" "$@" \
    >/tmp/run 2>&1 || status=$?
  grep -v '^  run: ' /tmp/run
  case $status in
    0) ;;
    1) failures=$((failures + 1)) ;;
    *)
      fail "$name: the contract suite ends" "status $status" "$(tail -n 8 /tmp/run)"
      printf '%s\t-\t-\t%d\t1\t0\tFAIL died with status %d after%s\n' "$name" \
        "$(grep -c '^PASS: ' /tmp/run)" "$status" "$(grep '^  run: ' /tmp/run | tail -n 1)" \
        >>"$ZB_SHARED/rows" ;;
  esac
  checks=$((checks + $(grep -cE '^(PASS|FAIL): ' /tmp/run)))
  echo "$name: $((SECONDS - begin)) s"
}

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
