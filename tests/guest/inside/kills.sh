#!/bin/bash
# Kills servers of each disk under each front end, ZB_KILLS times, and prints a line of results for each.
# ZB_ONLY, an extended regular expression, selects lines, for example ZB_ONLY='zns, virtio-scsi'.
. "$(dirname "$0")/../host.sh"
. "$(dirname "$0")/devices.sh"
# These two answer later than they carry out, so that a server dies with requests in the kernel.
# shellcheck disable=SC2034
scsi_debug_more=(delay=1) null_blk_more=(irqmode=2 completion_nsec=1000000)
make_transports "$work"

# cell DISK FRONT-END NAME: one line of results.
cell() {
  local label="$1, $3" status=0 begin=$SECONDS
  grep -Eq -- "${ZB_ONLY:-.}" <<<"$label" || return 0
  "$ZB_KILL_SERVERS" --front-end "$2" --kills "$ZB_KILLS" --seed "$ZB_SEED" --label "$label" \
    --log "$work/$1-$2.log" --table "$ZB_SHARED/rows" "${spec[$1]}" >"$work/cell" 2>&1 || status=$?
  if [ "$status" -eq 0 ]; then
    pass "$(tail -n 1 "$work/cell"), $((SECONDS - begin)) s"
  else
    fail "$label: nothing is lost, doubled or refused" "status $status" "$(tail -n 12 "$work/cell")" \
      "the servers' last messages:" "$(tail -n 12 "$work/$1-$2.log")"
    # A server that was left over would keep the disk.
    # shellcheck disable=SC2046
    kill -KILL $(processes zonebridge) 2>/dev/null
  fi
}
for name in "${transports[@]}"; do
  cell "$name" scsi virtio-scsi
  cell "$name" blk virtio-blk
  cell "$name" vduse VDUSE
done
no_match "the kernel logs no warning" 'WARNING|BUG|Oops|hung task|blocked for|I/O error' "$(dmesg)"
finish
