#!/bin/bash
# (slow) Real devices, served in the lab guest to a guest of its own: scsi_debug, null_blk, ZNS, emulated.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on devices of its own"
needs_server
transports_namespace
# The lab guest has no network, so fetch the newer QEMU before.
ZONEBRIDGE_QEMU_SUITE=trixie-backports "$here/run" --prepare >/dev/null 2>&1
# This limit is longer than those of the inner guests. So an inner guest that hangs ends first, and its
# console is printed.
in_guest guest-in-guest "${namespace[@]}" --memory 2560M --timeout 3000 \
  --env "ZONEBRIDGE=$zonebridge" --env "ZONEBRIDGE_CACHE=$(readlink -f "${ZONEBRIDGE_CACHE:-$here/../../.cache}")" \
  --env "ZB_ONLY=${ZB_ONLY:-}"
finish
