#!/bin/bash
# Runs conformance.py on all ZB_KINDS served disks, by their generic nodes: Linux has no block device for
# a disk with URSWRZ 0.
. "$(dirname "$0")/lib.sh"
modprobe sg 2>/dev/null
all_there() { [ "$(ls -d /dev/sg[0-9]* | wc -l)" -ge "$ZB_KINDS" ]; }
until_there 30 all_there || give_up "$ZB_KINDS disks appear" "$(ls /dev/sg* 2>&1)"
exec python3 "$(dirname "$0")/conformance.py" /dev/sg[0-9]*
