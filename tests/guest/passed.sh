#!/bin/bash
# A SCSI disk (scsi_debug) passed through on two kernels, and driven by a test program instead of a guest.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on a disk of its own"
needs_server
build=$(cd "$(dirname "$zonebridge")/.." && pwd -P)
passed=$build/tests/passed/passed_test
[ -x "$passed" ] || give_up "the test of passed-through disks is built" "there is no $passed"

on_both_kernels passed --timeout 400 --env "ZB_PASSED=$passed"
finish
