#!/bin/bash
# Numbers, sg3_utils and violations one after the other, on one disk in one boot.
here=$(dirname "$0")
status=0
for script in numbers sg3 violations; do
  "$here/$script.sh" "$@" || status=1
  # By the block layer, which would not notice a reset past it.
  blkzone reset "$(ls /dev/sd? | head -n 1)"
done
exit $status
