#!/bin/bash
# 512e and 4Kn disks: sizes and limits in Linux, the write granularity, and refused commands.
. "$(dirname "$0")/host.sh"
for sizes in '512 4096' '4096 4096'; do
  read -r ZB_BLOCK ZB_PHYSICAL <<<"$sizes"
  echo "logical $ZB_BLOCK, physical $ZB_PHYSICAL:"
  rm -f "$disk"
  create_disk
  serve_disk
  in_guest blocks
  stop_server
done
finish
