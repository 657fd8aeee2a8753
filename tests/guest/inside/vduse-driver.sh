#!/bin/bash
# Serves a disk by VDUSE for a driver in user space, and once more after the driver has killed the server.
# Then serves a disk for this kernel's driver, and kills the server while writes to zones are in flight.
. "$(dirname "$0")/lib.sh"
work=$(mktemp -d)
"$ZONEBRIDGE" create "$work/disk.zb" --size 64M --zone-size 4M --conventional 2 >/dev/null ||
  give_up "zonebridge create"
serve() { exec "$ZONEBRIDGE" serve --sandbox require --vduse disk0 --attach guest "$work/disk.zb"; }
serve >"$work/log" 2>&1 </dev/null &
server=$!
until_there 60 grep -q '^ready:' "$work/log" || give_up "serve --vduse becomes ready" "$(cat "$work/log")"
(
  until_there 150 [ -e "$work/again" ] && serve >"$work/log2" 2>&1 </dev/null
) &
second=$!
driver=$(timeout 180 python3 "$(dirname "$0")/vduse-driver.py" "$server" "$work/again" 2>&1)
equal "the driver ends with status 0" 0 $?
printf '%s\n' "$driver"
match "the log says which feature each refused driver lacks" 'ZONED.*ACCESS_PLATFORM.*VERSION_1' \
  "$(grep refused "$work/log" | tr '\n' ' ')"
match "the log describes the driver's faults" 'outside the guest.*read-only' "$(tr '\n' ' ' <"$work/log")"
match "the second server took over" 'took over|going on' "$(cat "$work/log2" "$work/log")"
kill -TERM "$second"
wait "$second"

modprobe -a virtio_vdpa virtio_blk
use_disk scsi_debug
serve_disk() {
  : >"$work/log"
  "$ZONEBRIDGE" serve --sandbox require --vduse disk1 "$disk" >"$work/log" 2>&1 </dev/null &
  server=$!
  until_there 60 grep -q '^ready:' "$work/log" ||
    give_up "serve --vduse becomes ready" "$(cat "$work/log")" "$(dmesg | tail -n 20)"
}
serve_disk
node=$(sed -n 's/^ready: .* at \(\/dev\/[^ ,]*\).*/\1/p' "$work/log")
fio --name=w --filename="$node" --direct=1 --zonemode=zbd --rw=randwrite --bs=16k --iodepth=16 \
  --ioengine=libaio --offset=16M --size=160M --verify=crc32c --verify_fatal=1 --max_open_zones=6 \
  >"$work/fio" 2>&1 &
writer=$!
for time in 1 2 3; do
  sleep 2
  kill -KILL "$server"
  wait "$server" 2>/dev/null
  serve_disk
  match "server $time after the first took over" 'took over' "$(cat "$work/log")"
done
status=0
wait "$writer" || status=$?
equal "fio verifies all writes: none is lost or refused" 0 "$status"
[ "$status" -eq 0 ] || cat "$work/fio" "$work/log"
kill -TERM "$server"
status=0
wait "$server" || status=$?
equal "after SIGTERM the server ends with status 0" 0 "$status"
finish
