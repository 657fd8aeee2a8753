#!/bin/bash
# VDUSE with a driver in user space, by vhost-vdpa, that does what no kernel's does; and a server killed under writes.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on devices of its own"
[ -x "$zonebridge" ] || give_up "the program is built" "there is no $zonebridge"

in_guest vduse-driver --env "ZONEBRIDGE=$zonebridge" --timeout 240 --modules vduse --modules vhost_vdpa
finish
