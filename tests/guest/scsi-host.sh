#!/bin/bash
# Real SCSI pass-through: scsi_debug by sg, bsg and sd on two kernels, compared with sg3_utils.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "it compares with the peer already"
needs_server

on_both_kernels scsi-host --timeout 400 --modules sg --modules sd_mod
finish
