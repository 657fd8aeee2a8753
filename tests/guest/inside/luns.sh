#!/bin/bash
# Checks how Linux sees LUNs that are added, removed and grown. luns.sh on the host does this, one step for
# each line "ask: ...".
. "$(dirname "$0")/lib.sh"

# of_lun N: the block device of that LUN.
of_lun() {
  local place
  for place in /sys/class/scsi_device/*:*:*:"$1"/device/block/sd*; do
    [ -b "/dev/${place##*/}" ] || continue
    printf '/dev/%s\n' "${place##*/}"
    return 0
  done
  return 1
}
gone() { ! ls -d /sys/class/scsi_device/*:*:*:"$1" >/dev/null 2>&1; }
sectors() { cat "/sys/block/${1#/dev/}/size"; }
has_sectors() { [ "$(sectors "$1")" = "$2" ]; }

until_there 20 of_lun 0 >/dev/null && until_there 20 of_lun 1 >/dev/null &&
  until_there 20 of_lun 3 >/dev/null ||
  give_up "LUN 0, 1 and 3 appear" "$(ls /sys/class/scsi_device)"
use_disk "$(of_lun 0)"
plain=$(of_lun 1) file=$(of_lun 3)
pass "LUN 0, 1 and 3 appear"
equal "LUN 0 is host-managed" host-managed "$(cat "$queue/zoned")"
equal "LUN 1 has no zones" none "$(cat "/sys/block/${plain#/dev/}/queue/zoned")"
equal "REPORT LUNS lists three LUNs" 3 "$(sg_luns --quiet "$sg" | grep -cE '[0-9a-f]{16}')"

# LUN 0 is written and verified, round after round, until the end.
rounds() {
  while [ ! -e /tmp/enough ]; do
    blkzone reset "$disk" &&
      fio --name=zoned --filename="$disk" --direct=1 --zonemode=zbd --zonesize="$ZB_ZONE_SIZE" \
        --ioengine=libaio --iodepth=16 --rw=write --bs=64k --max_open_zones=4 \
        --offset=$((ZB_CONVENTIONAL * ZB_ZONE_SIZE)) --size=$((2 * ZB_ZONE_SIZE)) \
        --verify=crc32c --verify_fatal=1 --do_verify=1 --eta=never >/tmp/zoned.log 2>&1 || return 1
    echo >>/tmp/rounds
  done
}
: >/tmp/rounds
rounds &
zoned=$!

echo "ask: add"
until_there 30 of_lun 2 >/dev/null || give_up "LUN 2 appears by itself" "$(dmesg | tail -n 20)"
late=$(of_lun 2)
pass "LUN 2 appears by itself"
until_there 20 has_zones "$late" || give_up "the kernel reads the zones of LUN 2" "$(dmesg | tail -n 20)"
equal "LUN 2: zones" 16 "$(blkzone report "$late" | wc -l)"
check "LUN 2: written and verified" fio --name=late --filename="$late" --direct=1 --zonemode=zbd \
  --ioengine=libaio --iodepth=8 --rw=write --bs=64k --size=8M --verify=crc32c --do_verify=1 --eta=never
printf 'late %s\n' "$(head -c 1M "$late" | sha256sum | cut -d' ' -f1)"
equal "REPORT LUNS lists LUN 2" 4 "$(sg_luns --quiet "$sg" | grep -cE '[0-9a-f]{16}')"

# This data is only in the guest's page cache. Linux writes it out while the disk is being removed.
check "LUN 1: written, not synced" dd if=/dev/urandom of="$plain" bs=64k count=32 seek=16 status=none
echo "ask: remove"
until_there 30 gone 1 || give_up "LUN 1 disappears by itself" "$(dmesg | tail -n 20)"
pass "LUN 1 disappears by itself"
echo "ask: add again"
until_there 30 of_lun 1 >/dev/null || give_up "LUN 1 comes back" "$(dmesg | tail -n 20)"
plain=$(of_lun 1)
pass "LUN 1 comes back"
equal "LUN 1 is read-only now" 1 "$(cat "/sys/block/${plain#/dev/}/ro")"
check "LUN 1 is read" dd if="$plain" of=/dev/null bs=64k count=16 iflag=direct status=none

fio --name=file --filename="$file" --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite --bs=4k \
  --size=16M --loops=1000 --time_based --runtime=6 --verify=crc32c --verify_backlog=256 \
  --verify_fatal=1 --eta=never >/tmp/file.log 2>&1 &
filling=$!
sleep 1
echo "ask: grow"
if until_there 30 has_sectors "$file" $((48 << 11)); then
  pass "LUN 3 grows by itself"
else
  fail "LUN 3 grows by itself" "$(sectors "$file") sectors" "$(dmesg | tail -n 5)"
fi
if wait "$filling"; then
  pass "LUN 3: no command is lost while it grows"
else
  fail "LUN 3: no command is lost while it grows" "$(tail -n 12 /tmp/file.log)"
fi
check "LUN 3: a write to the new end" dd if=/dev/zero of="$file" bs=1M seek=47 count=1 oflag=direct status=none
no_match "the kernel logs no error so far" . "$(kernel_complaints)"

# This job writes from zone 4 on, so the first 8 MiB stay as written before.
fio --name=torn --filename="$late" --direct=1 --zonemode=zbd --ioengine=libaio --iodepth=8 --rw=randwrite \
  --bs=64k --offset=16M --time_based --runtime=60 --eta=never >/tmp/torn.log 2>&1 &
torn=$!
sleep 1
echo "ask: tear out"
if wait "$torn"; then fail "LUN 2: its writer gets an error" "$(tail -n 5 /tmp/torn.log)"; else
  pass "LUN 2: its writer gets an error"
fi
if until_there 30 gone 2; then pass "LUN 2 disappears"; else fail "LUN 2 disappears" "$(dmesg | tail -n 20)"; fi

touch /tmp/enough
if wait "$zoned"; then
  pass "LUN 0 was written and verified until the end"
else
  fail "LUN 0 was written and verified until the end" "$(tail -n 12 /tmp/zoned.log)"
fi
echo "rounds: $(wc -l </tmp/rounds)"
no_match "the kernel logs no warning" 'WARNING|BUG|hung task|blocked for' "$(dmesg)"
no_match "the kernel logs no error about LUN 0" . "$(kernel_complaints | grep -E "$name|:0:0\]")"
finish
