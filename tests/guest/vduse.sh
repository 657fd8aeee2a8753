#!/bin/bash
# serve --vduse: joins and leaves the vDPA bus, continues after a kill, and says which module is missing.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on devices of its own"
[ -x "$zonebridge" ] || give_up "the program is built" "there is no $zonebridge"

in_guest vduse --env "ZONEBRIDGE=$zonebridge" --timeout 600
finish
