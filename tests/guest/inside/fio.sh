#!/bin/bash
# fio with --zonemode=zbd: four jobs at depth 32, all data verified.
. "$(dirname "$0")/zoned-lib.sh"
offset=$((ZB_CONVENTIONAL * ZB_ZONE_SIZE))
# The disk's limit of open zones, else its limit of active zones, else eight.
open=$ZB_MAX_OPEN
[ "$open" -gt 0 ] || open=$ZB_MAX_ACTIVE
[ "$open" -gt 0 ] || open=8
blkzone reset "$disk"

# run_fio NAME OPTION...: runs four jobs in regions of their own. The jobs share the open limit.
run_fio() {
  local name=$1 output status=0
  shift
  output=$(fio --name=job --filename="$disk" --direct=1 --zonemode=zbd --zonesize="$ZB_ZONE_SIZE" \
    --max_open_zones="$open" --numjobs=4 --job_max_open_zones=$((open / 4)) --iodepth=32 \
    --offset="$offset" --offset_increment=$((4 * ZB_ZONE_SIZE)) --size=$((2 * ZB_ZONE_SIZE)) \
    --group_reporting --eta=never "$@" 2>&1) || status=$?
  if [ "$status" -eq 0 ] && ! grep -Eq 'err= *[1-9]|verify:.*bad|verify failed' <<<"$output"; then
    pass "$name"
    grep -E '^ *(READ|WRITE):' <<<"$output" | sed 's/^ */      /'
  else
    # Without the statistics at the end, which do not show the error.
    fail "$name" "status $status" "$(grep -E '^fio: |err=|verify:|error' <<<"$output")"
  fi
}
verify=(--verify=crc32c --verify_fatal=1 --do_verify=1 --verify_async=0)

run_fio "fio: sequential 64 KiB, libaio, verified" --ioengine=libaio --rw=write --bs=64k "${verify[@]}"
equal "fio: eight zones are full" 8 "$(zones_in fu)"
check "reset" blkzone reset "$disk"
run_fio "fio: mixed 4-128 KiB, io_uring, verified" --ioengine=io_uring --rw=write \
  --bssplit=4k/30:16k/40:128k/30 --size="$ZB_ZONE_SIZE" "${verify[@]}"
check "reset again" blkzone reset "$disk"
run_fio "fio: random zones, reads and writes at once" --ioengine=libaio --rw=randrw --bs=16k \
  --time_based --runtime="${ZB_FIO_SECONDS:-4}"
check "reset at the end" blkzone reset "$disk"
equal "all sequential zones are empty" $((zones - ZB_CONVENTIONAL)) "$(zones_in em)"
if [ "$ZB_CONVENTIONAL" -gt 0 ]; then
  check "fio: random writes in conventional zones, verified" fio --name=job --filename="$disk" --direct=1 \
    --ioengine=libaio --iodepth=32 --rw=randwrite --bs=4k --size="$ZB_ZONE_SIZE" --io_size=2M "${verify[@]}"
else
  skipped "fio: random writes in conventional zones, verified" "this disk has none"
fi
no_match "the kernel logs no error" . "$(kernel_complaints)"
finish
