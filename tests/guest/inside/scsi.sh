#!/bin/bash
# Runs numbers.sh, sg3.sh and violations.sh on one disk in one boot.
here=$(dirname "$0")
status=0
for script in numbers sg3 violations; do
  "$here/$script.sh" "$@" || status=1
  # Through the block layer, which has write pointers of its own and would not notice a SCSI command.
  blkzone reset "$(ls /dev/sd? | head -n 1)"
done
exit $status
