#!/bin/bash
# Real SCSI pass-through: scsi_debug by sg, bsg and sd on two kernels, compared with sg3_utils.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "it compares with the peer already"
needs_server

# boot SUITE EXPECTED-DATA-PATH: the whole script on one kernel.
boot() {
  echo "kernel of $1:"
  ZONEBRIDGE_KERNEL_SUITE=$1 in_guest scsi-host --timeout 400 --modules sg --modules sd_mod \
    --env "ZONEBRIDGE=$zonebridge" --env "ZB_DATA_PATH=$2"
}

boot bookworm-backports ioctl
# The first with SCSI commands in io_uring. The archive keeps a suite's newest kernel only, and may
# not be within reach.
if ZONEBRIDGE_KERNEL_SUITE=trixie-backports "$here/run" --prepare >"$work/newer" 2>&1; then
  boot trixie-backports io_uring
else
  skipped "SCSI commands by io_uring" "no kernel from trixie-backports: $(tail -n 1 "$work/newer")"
fi
finish
