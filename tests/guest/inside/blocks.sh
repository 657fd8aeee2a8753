#!/bin/bash
# Runs numbers.sh and violations.sh on one disk in one boot.
here=$(dirname "$0")
status=0
for script in numbers violations; do
  "$here/$script.sh" "$@" || status=1
done
exit $status
