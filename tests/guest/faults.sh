#!/bin/bash
# Faults on purpose and explained refusals: how a Linux guest sees bad zones, bad blocks and late answers.
. "$(dirname "$0")/host.sh"
needs_server
create_disk
at=$((12 * ZB_ZONE_SIZE + (1 << 20)))
serve_disk --explain --fault zone=10,state=read-only,operation=write,after=4 \
  --fault zone=11,state=offline --fault "offset=$at+4K,error=media" \
  --fault zone=13,latency=200ms,count=3
match "the line ready: says that faults are on purpose" '^ready: .*faults on purpose' "$(cat "$work/server.log")"
in_guest faults
server_alive "the server outlives the guest"
stop_server
log=$(cat "$work/server.log")
match "the log says that the rule for zone 10 begins to act" 'fault on purpose: zone=10,.* begins to act' "$log"
equal "the log has one such line for each rule" 4 "$(grep -c 'fault on purpose' <<<"$log")"
zone_start=$((14 * (ZB_ZONE_SIZE >> 20)))
match "a write ahead of the pointer is explained" \
  "refused: write of 4 KiB at $zone_start MiB \+ 16 KiB: zone 14 is implicit-open with its write pointer at $zone_start MiB \+ 8 KiB, and a sequential write required zone takes writes only there" "$log"
match "a write to the read-only zone is explained" \
  'refused: write of .*: zone 10 is read-only, and a zone that has become read-only can.t be written' "$log"
match "a read of a bad block is explained" 'failed: read of .*: zone 12 is .*the medium could not be read there' "$log"
equal "outside: the disk itself has no bad zones" 0 "$(zones_of_disk | grep -cE 'read-only|offline')"
finish
