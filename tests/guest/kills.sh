#!/bin/bash
# (slow) Servers killed at any instant, ZB_KILLS times for each disk and front end: nothing answered is lost or doubled.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on devices of its own"
needs_server
build=$(cd "$(dirname "$zonebridge")/.." && pwd -P)
kill_servers=$build/tests/kills/kill_servers
[ -x "$kill_servers" ] || give_up "the program that kills servers is built" "there is no $kill_servers"
log=${ZONEBRIDGE_CACHE:-$here/../../.cache}/log
mkdir -p "$work/shared" "$log"
: >"$work/shared/rows"
kills=${ZB_KILLS:-10}
limit=(--timeout 1600)
[ "$kills" -le 10 ] || limit=(--timeout $((600 + 100 * kills)))
transports_namespace
in_guest kills "${namespace[@]}" --memory 2G --share "$work/shared" "${limit[@]}" \
  --modules vduse --modules virtio_vdpa --modules virtio_blk --env "ZONEBRIDGE=$zonebridge" \
  --env "ZB_KILL_SERVERS=$kill_servers" --env "ZB_SHARED=$work/shared" --env "ZB_KILLS=$kills" \
  --env "ZB_ONLY=${ZB_ONLY:-}" --env "ZB_SEED=${ZB_SEED:-1}"
cp "$work/shared/rows" "$log/kills-table"
finish
