#!/bin/bash
# The scsi transport on scsi_debug, by sg, bsg and sd nodes, on two kernels, compared with sg3_utils.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "this test compares with the peer anyway"
needs_server

on_both_kernels scsi-host --timeout 400 --modules sg --modules sd_mod
finish
