#!/bin/bash
# The contract suite on scsi_debug, by SCSI commands in io_uring (Linux 7.2).
. "$(dirname "$0")/contract-lib.sh"
make_scsi_disk dev_size_mb=40 zone_size_mb=2 zone_nr_conv=2 zone_max_open=3 ||
  give_up "scsi_debug" "$(dmesg | tail -n 5)"
contract "scsi_debug, bsg by io_uring" --device "scsi:$scsi_bsg" --data-path io_uring \
  --vanish "echo 1 >/sys/block/${scsi_block#/dev/}/device/delete"
finish
