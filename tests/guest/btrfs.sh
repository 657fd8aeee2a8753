#!/bin/bash
# A zoned btrfs on the disk, and the pointers it leaves are those the program reports.
. "$(dirname "$0")/host.sh"
create_disk
serve_disk
in_guest btrfs
stop_server
finish
