#!/bin/bash
# (slow) Real devices, served in the lab guest to a guest of its own: scsi_debug, null_blk, ZNS, emulated.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on devices of its own"
needs_server
transports_namespace
# There is no network inside.
ZONEBRIDGE_QEMU_SUITE=trixie-backports "$here/run" --prepare >/dev/null 2>&1
# The limits of the inner guests come first, so that theirs is the console that is printed.
in_guest guest-in-guest "${namespace[@]}" --memory 2560M --timeout 3000 \
  --env "ZONEBRIDGE=$zonebridge" --env "ZONEBRIDGE_CACHE=$(readlink -f "${ZONEBRIDGE_CACHE:-$here/../../.cache}")" \
  --env "ZB_ONLY=${ZB_ONLY:-}"
finish
