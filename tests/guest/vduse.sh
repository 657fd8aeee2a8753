#!/bin/bash
# serve --vduse in a kernel that has it: joining and leaving the vDPA bus, being killed, what is missing, in words.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on devices of its own"
[ -x "$zonebridge" ] || give_up "the program is built" "there is no $zonebridge"

in_guest vduse --env "ZONEBRIDGE=$zonebridge" --timeout 400
finish
