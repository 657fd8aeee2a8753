#!/bin/bash
# fio --zonemode=zbd: four jobs at depth 32 write zones and verify the data.
. "$(dirname "$0")/host.sh"
create_disk
serve_disk
in_guest fio
server_alive "the server outlives the guest"
stop_server
finish
