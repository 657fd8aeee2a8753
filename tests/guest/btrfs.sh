#!/bin/bash
# A zoned btrfs on the disk: afterwards zonebridge reports the write pointers that the guest saw.
. "$(dirname "$0")/host.sh"
create_disk
serve_disk
mkdir "$work/share"
in_guest btrfs --share "$work/share" --env "ZB_REPORT=$work/share/report"
stop_server
same_pointers "$work/share/report"
finish
