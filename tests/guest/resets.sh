#!/bin/bash
# sg_reset while fio writes on four queues of two workers: no command is lost, and all data is verified.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || needs_server
create_disk
serve_disk --workers 2
properties=,num_queues=4
in_guest resets --smp 4
server_alive "the server outlives the guest"
stop_server
finish
