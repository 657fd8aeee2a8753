#!/bin/bash
# VDUSE with a user-space driver (vhost-vdpa) that does what no kernel driver does; and servers killed under writes.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on devices of its own"
[ -x "$zonebridge" ] || give_up "the program is built" "there is no $zonebridge"

in_guest vduse-driver --env "ZONEBRIDGE=$zonebridge" --timeout 240 --modules vduse --modules vhost_vdpa
finish
