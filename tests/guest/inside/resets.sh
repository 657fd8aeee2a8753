#!/bin/bash
# Resets of the logical unit under I/O. Linux sends LOGICAL UNIT RESET, gets the unit attention once, and
# repeats the command that got it.
. "$(dirname "$0")/zoned-lib.sh"
modprobe sg
sg=/dev/$(ls "/sys/block/$name/device/scsi_generic")
offset=$((ZB_CONVENTIONAL * ZB_ZONE_SIZE))
equal "the number of hardware queues" "${ZB_QUEUES:-4}" "$(ls "/sys/block/$name/mq" | wc -l)"
blkzone reset "$disk"

# reset_until FILE: resets the unit again and again, from the first write until FILE exists. Prints how many
# resets succeeded and how many failed. It waits for the first write, because Linux does not repeat fio's
# first report of zones.
reset_until() {
  local good=0 bad=0 before
  before=$(writes)
  until [ -e "$1" ] || [ "$(writes)" -gt "$before" ]; do sleep 0.02; done
  until [ -e "$1" ]; do
    if sg_reset -N -d "$sg" >/dev/null 2>&1; then good=$((good + 1)); else bad=$((bad + 1)); fi
    sleep 0.02
  done
  # This command gets a unit attention that may still be pending.
  dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct status=none
  echo "$good $bad"
}
writes() { awk '{ print $5 }' "/sys/block/$name/stat"; }

# under_resets WHAT FIO-OPTION...: runs fio while the unit is reset.
under_resets() {
  local what=$1 output status=0 done=/tmp/over
  shift
  rm -f "$done"
  reset_until "$done" >/tmp/resets &
  output=$(fio --name=job --filename="$disk" --direct=1 --eta=never --group_reporting --numjobs=4 \
    --zonemode=zbd --zonesize="$ZB_ZONE_SIZE" --max_open_zones="$ZB_MAX_OPEN" --job_max_open_zones=2 \
    --offset="$offset" --offset_increment=$((8 * ZB_ZONE_SIZE)) --size=$((6 * ZB_ZONE_SIZE)) \
    --verify=crc32c --verify_fatal=1 --do_verify=1 --verify_async=0 "$@" 2>&1) || status=$?
  touch "$done"
  wait
  if [ "$status" -eq 0 ] && ! grep -Eq 'err= *[1-9]|verify:.*bad|verify failed' <<<"$output"; then
    pass "$what"
  else
    fail "$what" "status $status" "$(grep -E '^fio: |err=|verify:|error' <<<"$output")"
  fi
  read -r good bad </tmp/resets
  if [ "$good" -gt 0 ]; then pass "$what: the unit was reset meanwhile"; else fail "$what: the unit was reset meanwhile"; fi
  equal "$what: no reset failed" 0 "$bad"
  echo "      $good resets"
}

under_resets "fio: sequential, libaio, verified" --ioengine=libaio --iodepth=32 --rw=write --bs=64k
equal "24 zones are full" 24 "$(zones_in fu)"
check "reset of all zones" blkzone reset "$disk"
under_resets "fio: 4-128 KiB, io_uring, verified" --ioengine=io_uring --iodepth=32 --rw=write \
  --bssplit=4k/30:16k/40:128k/30
# Linux's driver can reset only a unit. Other resets fail in the guest and must not disturb the disk.
for kind in --target --bus; do
  sg_reset -N "$kind" "$sg" >/dev/null 2>&1
  check "a read after sg_reset $kind" dd if="$disk" of=/dev/null bs=64k count=16 iflag=direct status=none
done
no_match "the kernel logs no failed command, no hang and no lost disk" \
  'I/O error|rejecting I/O|hung|offlined|timing out|BUG|Oops' "$(dmesg)"
finish
