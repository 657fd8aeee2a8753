#!/bin/bash
# A guest is killed while it writes: a new guest on the same server finds all synced data.
. "$(dirname "$0")/host.sh"
needs_server
create_disk
serve_disk
start_guest write-forever
wait_line 90 '^synced ' 24
kill_guest
server_alive "the server outlives a killed guest"
# The position up to which each zone was synced.
synced=$(awk '$1 == "synced" { if ($3 > most[$2]) most[$2] = $3 }
  END { for (zone in most) printf "%s %s;", zone, most[zone] }' "$work/lines")
echo "synced before the kill: $synced"
in_guest verify-killed --env "ZB_SYNCED=$synced"
server_alive "the server outlives the second guest"
stop_server
finish
