#!/bin/bash
# Several LUNs: `zonebridge lun` adds, removes and grows disks while the guest does I/O.
. "$(dirname "$0")/host.sh"
needs_server
control=$work/control
lun() { "$zonebridge" lun "$@" --socket "$control"; }
create_disk
"$zonebridge" create "$work/plain.zb" --size 64M --model none >/dev/null
"$zonebridge" create "$work/late.zb" --size 64M --zone-size 4M --max-open 4 >/dev/null
truncate -s 32M "$work/file"
start_server server --virtio scsi --socket "$socket" --control "$control" --lun-root "$work" --workers 2 \
  --lun "0=emulated:$disk" --lun "1=$work/plain.zb" --lun "3=block:$work/file"
start_guest luns --timeout 150
wait_line 60 '^ask: add' 1
check "lun add, while the guest writes" lun add "2=$work/late.zb"
refused "lun add: the number is taken" "LUN 2 is taken, by $work/late.zb" lun add "2=$work/plain.zb"
refused "lun add: the disk is taken" "in use by" lun add "4=$work/plain.zb"
match "lun list" "^LUN 2: $work/late.zb \(64 MiB, host-managed, 16 zones of 4M\)" "$(lun list)"
wait_line 60 '^ask: remove' 1
check "lun remove" lun remove 1
head -c 64K /dev/urandom >"$work/data"
check "another program can write to the removed disk" "$zonebridge" write "$work/plain.zb" --offset 0 --input "$work/data"
wait_line 60 '^ask: add again' 1
check "lun add again" lun add "1=$work/plain.zb" --read-only
wait_line 60 '^ask: grow' 1
truncate -s 48M "$work/file"
# The server may have seen by itself that the file has grown.
match "lun refresh, under I/O" 'it was 32 MiB, and is 48 MiB now|its size did not change' "$(lun refresh 3 2>&1)"
match "lun list has the new size" 'LUN 3: .*48 MiB' "$(lun list)"
wait_line 60 '^ask: tear out' 1
check "lun remove --now, under I/O" lun remove 2 --now
count_guest luns
server_alive "the server outlives the guest"
equal "lun list --json: the remaining LUNs" "0 1 3" \
  "$(lun list --json | python3 -c 'import json, sys
print(*[lun["lun"] for lun in json.load(sys.stdin)["luns"]])')"
stop_server
check "outside: the disk removed with --now can be read" "$zonebridge" report "$work/late.zb"
equal "outside: that disk has the data that the guest read" "$(grep '^late ' "$work/lines")" \
  "late $("$zonebridge" read "$work/late.zb" --offset 0 --length 1M | sha256sum | cut -d' ' -f1)"
finish
