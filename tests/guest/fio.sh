#!/bin/bash
# fio --zonemode=zbd: depth 32, four jobs, verified.
. "$(dirname "$0")/host.sh"
create_disk
serve_disk
in_guest fio
server_alive "the server outlives the guest"
stop_server
finish
