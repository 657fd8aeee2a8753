#!/bin/bash
# Runs two jobs of fio, with verification, on the zoned SCSI disk and on /dev/vda, until the file "stop"
# appears in ZB_SHARED. The kernel prefers plugged memory for fio's buffers. The script prints a line for
# each round of a job, and lines with the number of fio's pages that are in plugged memory.
. "$(dirname "$0")/lib.sh"
use_disk "$@"
until_there 20 test -b /dev/vda || give_up "a virtio-blk disk appears" "$(dmesg | tail -n 20)"

# Prints how many pages of these processes lie in plugged memory: above 4 GiB, where the guest had no
# memory when it booted.
cat >/tmp/plugged.py <<'END'
import os, struct, sys
plugged = 0
for pid in sys.argv[1:]:
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/pagemap", "rb") as pagemap:
            for line in maps:
                words = line.split()
                first, last = (int(end, 16) for end in words[0].split("-"))
                if "w" not in words[1] or last - first > 1 << 28 or "stack" in line:
                    continue
                pagemap.seek(first // 4096 * 8)
                for (entry,) in struct.iter_unpack("<Q", pagemap.read((last - first) // 4096 * 8)):
                    if entry >> 63 and entry & (1 << 55) - 1 >= 1 << 20:
                        plugged += 1
    except (FileNotFoundError, ProcessLookupError):
        pass
print(plugged)
END
# job NAME OPTION...: runs fio round after round, and prints a line for each round.
job() {
  local name=$1 output status
  shift
  while [ ! -e "$ZB_SHARED/stop" ]; do
    status=0
    [ "$name" != zoned ] || blkzone reset "$disk"
    output=$(fio --name="$name" --direct=1 --iodepth=16 --verify=crc32c --do_verify=1 --verify_fatal=1 \
      --verify_async=0 --minimal "$@" 2>&1) || status=$?
    if [ "$status" -ne 0 ] || grep -Eq 'verify:.*bad|verify failed' <<<"$output"; then
      echo "$name failed: status $status"
      printf '%s\n' "$output"
      return 1
    fi
    echo "$name round"
  done
}
zoned_job() {
  job zoned --filename="$disk" --zonemode=zbd --zonesize="$ZB_ZONE_SIZE" --max_open_zones=8 \
    --ioengine=libaio --rw=write --bs=256k --offset=$((ZB_CONVENTIONAL * ZB_ZONE_SIZE)) --size=8M
}
plain_job() {
  job plain --filename=/dev/vda --ioengine=io_uring --rw=randwrite --bs=64k --size=8M
}

# memory_blocks: how many blocks of memory the kernel has.
memory_blocks() { find /sys/devices/system/memory -maxdepth 1 -name 'memory[0-9]*' | wc -l; }
blocks=$(memory_blocks)
zoned_job >/tmp/zoned 2>&1 &
zoned=$!
plain_job >/tmp/plain 2>&1 &
plain=$!
tail -q -n +1 -F /tmp/zoned /tmp/plain 2>/dev/null | grep --line-buffered '^[a-z]* round' &
told=$!
while [ ! -e "$ZB_SHARED/stop" ]; do
  # shellcheck disable=SC2046
  echo "plugged $(python3 /tmp/plugged.py $(processes fio))"
  sleep 0.3
done
wait "$zoned"
equal "fio verified the zoned disk in every round" "0 0" "$? $(grep -c failed /tmp/zoned)"
wait "$plain"
equal "fio verified the plain disk in every round" "0 0" "$? $(grep -c failed /tmp/plain)"
kill "$told"
grep -h -A8 failed /tmp/zoned /tmp/plain
no_match "the kernel logs no I/O error and no abort" . \
  "$(dmesg | grep -E 'I/O error|[Ss]ense [Kk]ey|blk_update|abort|resetting|BUG:|WARNING:|hung task')"
equal "all plugged memory is unplugged" "$blocks" "$(memory_blocks)"
finish
