#!/bin/bash
# QEMU restarts on the same server, then the server restarts, then it is killed: zones and data stay.
. "$(dirname "$0")/host.sh"
needs_server
create_disk
serve_disk
in_guest leave-zones
server_alive "the server outlives the first guest"
in_guest find-zones
server_alive "the server outlives the second guest"
in_guest find-zones
stop_server
before=$(zones_of_disk)
equal "outside: the number of zones" $((ZB_SIZE / ZB_ZONE_SIZE)) "$(wc -l <<<"$before")"
equal "outside: full zones" 2 "$(grep -c ' full$' <<<"$before")"
serve_disk
in_guest find-zones
kill_server
equal "outside: killing the server changes no zone" "$before" "$(zones_of_disk)"
serve_disk
in_guest find-zones
stop_server
finish
