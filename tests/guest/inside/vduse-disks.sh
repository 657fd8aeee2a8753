#!/bin/bash
# Serves a disk of each transport by VDUSE, as /dev/vdX of the lab guest itself.
. "$(dirname "$0")/../host.sh"
. "$(dirname "$0")/devices.sh"
make_transports "$work"

# node_of NAME: the block device that the kernel made for this vDPA device.
node_of() {
  local place
  for place in "/sys/bus/vdpa/devices/$1"/virtio*/block/vd*; do
    [ -b "/dev/${place##*/}" ] || continue
    printf '/dev/%s\n' "${place##*/}"
    return 0
  done
  return 1
}

declare -A vd=()
number=0 disks=() served=()
for name in "${transports[@]}"; do
  grep -Eq -- "${ZB_ONLY:-.}" <<<"$name" || continue
  start_server "$name" --vduse "zb$number" "${spec[$name]}"
  until_there 20 node_of "zb$number" >/dev/null || { fail "$name: a disk appears" "$(dmesg | tail -n 8)"; continue; }
  vd[$name]=$(node_of "zb$number")
  match "$name: the line ready: names the disk" "^ready: .*${vd[$name]}" "$(cat "$work/$name.log")"
  disks+=("${vd[$name]} ${shape[$name]}") served+=("$name")
  number=$((number + 1))
done
# blkzone_same NAME WHEN: checks that the served disk has the zones of the disk below. The sync makes the
# emulated disk's file show the latest state.
blkzone_same() {
  sync "${vd[$1]}"
  blkzone report "${vd[$1]}" >"$work/$1.zones"
  same_as_own "$1" "$2" "$work/$1.zones"
}
for name in "${served[@]}"; do blkzone_same "$name" "at first,"; done

# zoned-blk.sh runs in a process of its own, so its checks are counted from its output.
export ZB_PARTS=${ZB_PARTS:-numbers actions refusals limits fio zonefs btrfs leave}
"$(dirname "$0")/zoned-blk.sh" "${disks[@]}" 2>&1 | tee "$work/lines"
status=${PIPESTATUS[0]}
checks=$((checks + $(grep -cE '^(PASS|FAIL): ' "$work/lines")))
failures=$((failures + $(grep -c '^FAIL: ' "$work/lines")))
[ "$status" -eq 0 ] || grep -q '^FAIL: ' "$work/lines" ||
  fail "zoned-blk.sh ends with status 0" "status $status, but no check failed"

for name in "${served[@]}"; do
  blkzone_same "$name" "at last,"
  server_alive "$name: the server still runs" "$name"
  stop_server "$name"
  check "$name: the disk is gone" test ! -b "${vd[$name]}"
  same_as_own "$name" "afterwards" "$work/$name.zones"
done
equal "no device is left on the vDPA bus" "" "$(ls /sys/bus/vdpa/devices)"
equal "no VDUSE device is left" control "$(ls /dev/vduse)"
no_match "the kernel logs no warning" 'WARNING|BUG|Oops|hung task|blocked for' "$(dmesg)"
finish
