#!/bin/bash
# The real program passes scsi_debug through, and tests/driver drives it: by each node, by a user without
# privileges, and unplugged.
. "$(dirname "$0")/devices.sh"

# passed NAME PLACE OPTION...: runs the tests on the node PLACE, with the command in the array "by" in
# front.
by=()
passed() {
  local name=$1 place=$2
  shift 2
  gtest "$name" env "ZB_SG=$place" "${by[@]}" "$ZB_PASSED" "$@"
}

make_scsi_disk dev_size_mb=272 zone_size_mb=4 zone_nr_conv=4 zone_max_open=8 ||
  give_up "scsi_debug gives a disk" "$(dmesg | tail -n 5)"
match "the data path of this kernel" "$([ "$ZB_DATA_PATH" = io_uring ] && echo io_uring || echo 'SG_IO on /dev/sd')" \
  "$("$ZONEBRIDGE" info "scsi:$scsi_sg")"

mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
faults=/sys/kernel/debug/scsi_debug/$(basename "$scsi_bsg")/error
[ -w "$faults" ] && export ZB_FAULTS=$faults

passed "sg" "$scsi_sg"
passed "bsg" "$scsi_bsg" --gtest_filter='Passed.W*:Passed.D*'
passed "sd" "$scsi_block" --gtest_filter='Passed.W*:Passed.D*'
chmod 666 "$scsi_sg" "$scsi_bsg" "$scsi_block"
# The program may be in a folder that only root may enter.
cp "$ZONEBRIDGE" /tmp/zonebridge
by=(env ZONEBRIDGE=/tmp/zonebridge setpriv --reuid 65534 --regid 65534 --clear-groups)
passed "sg by a user without rights" "$scsi_sg" --gtest_also_run_disabled_tests --gtest_filter='*ForbidsAUser*'
by=()
export ZB_UNPLUG="echo 1 >/sys/block/${scsi_block#/dev/}/device/delete"
passed "unplugged" "$scsi_sg" --gtest_also_run_disabled_tests --gtest_filter='*Unplugged*'
finish
