#!/bin/bash
# A SCSI disk passed through, driven without a guest of its own: scsi_debug on two kernels.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on a disk of its own"
needs_server
build=$(cd "$(dirname "$zonebridge")/.." && pwd -P)
passed=$build/tests/passed/passed_test
[ -x "$passed" ] || give_up "the test of passed-through disks is built" "there is no $passed"

# boot SUITE DATA-PATH: everything on one kernel.
boot() {
  echo "kernel of $1:"
  ZONEBRIDGE_KERNEL_SUITE=$1 in_guest passed --timeout 400 \
    --env "ZB_PASSED=$passed" --env "ZONEBRIDGE=$zonebridge" --env "ZB_DATA_PATH=$2"
}

boot bookworm-backports ioctl
if ZONEBRIDGE_KERNEL_SUITE=trixie-backports "$here/run" --prepare >"$work/newer" 2>&1; then
  boot trixie-backports io_uring
else
  skipped "SCSI commands by io_uring" "no kernel from trixie-backports: $(tail -n 1 "$work/newer")"
fi
finish
