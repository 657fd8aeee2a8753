#!/bin/bash
# A guest killed in mid-write: a new one, on the same server, finds all that was synced.
. "$(dirname "$0")/host.sh"
needs_server
create_disk
serve_disk
start_guest write-forever
wait_line 90 '^synced ' 24
kill_guest
server_alive "the server outlives a killed guest"
# For each zone the furthest position that was promised.
synced=$(awk '$1 == "synced" { if ($3 > most[$2]) most[$2] = $3 }
  END { for (zone in most) printf "%s %s;", zone, most[zone] }' "$work/lines")
echo "synced before the kill: $synced"
in_guest verify-killed --env "ZB_SYNCED=$synced"
server_alive "the server outlives the second guest"
stop_server
finish
