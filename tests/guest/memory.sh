#!/bin/bash
# Memory is plugged into a guest and unplugged while virtio-scsi and virtio-blk use it for I/O.
. "$(dirname "$0")/host.sh"
needs_server
mkdir "$work/shared"
plain=$work/plain.zb plain_socket=$work/plain-socket monitor=$work/monitor

# Two disks with a server each: a zoned disk by virtio-scsi, an ordinary disk by virtio-blk.
create_disk
"$zonebridge" create "$plain" --size "$ZB_SIZE" --model none >/dev/null 2>&1 ||
  give_up "zonebridge create --model none"
serve_disk
start_server plain --virtio blk --socket "$plain_socket" "emulated:$plain"

qmp() { "$here/qmp" "$monitor" "$@" 2>&1; }
# dimms: the number of memory devices that QEMU has.
dimms() { qmp query-memory-devices | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'; }
# mapped NAME SIZE: how many pieces of guest memory of SIZE bytes the server NAME has mapped.
mapped() {
  local ends rest count=0
  while read -r ends rest; do
    [[ $rest != *memory-backend-memfd* ]] || [ $((16#${ends#*-} - 16#${ends%-*})) -ne "$2" ] || count=$((count + 1))
  done <"/proc/${servers[$1]}/maps"
  echo "$count"
}
# until_equal SECONDS WHAT COMMAND...: waits until the command prints WHAT.
until_equal() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until [ "$("$@")" = "$what" ]; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}
# plug ID MIB, unplug ID: asks QEMU to plug a memory device, or to unplug it.
plug() {
  qmp object-add '{"qom-type": "memory-backend-memfd", "id": "memory-'"$1"'", "size": '$(($2 << 20))', "share": true}' &&
    qmp device_add '{"driver": "pc-dimm", "id": "'"$1"'", "memdev": "memory-'"$1"'"}'
}
unplug() { qmp device_del '{"id": "'"$1"'"}'; }

# passes: waits until both jobs in the guest have verified another round.
passes() {
  local job
  for job in zoned plain; do
    wait_line 120 "^$job round" $(($(grep -c "^$job round" "$work/lines") + 1))
  done
}
# inside: waits until at least 300 pages (more than 1 MiB) of fio's memory are in plugged memory.
inside() {
  local many='^plugged ([3-9][0-9]{2}|[0-9]{4,})'
  wait_line 120 "$many" $(($(grep -Ec "$many" "$work/lines") + 1))
}
# both NAME MIB COUNT: checks that within 20 seconds each server maps COUNT pieces of MIB MiB.
both() {
  local server
  for server in server plain; do
    check "$1: $server maps $3 pieces of memory of that size" until_equal 20 "$3" mapped "$server" $(($2 << 20))
  done
}
# comes ID MIB, goes ID MIB: plugs and unplugs a memory device while the guest does I/O.
comes() {
  check "$round: the $1 device is plugged" plug "$1" "$2"
  both "$round: the $1 device is plugged" "$2" 1
  passes
}
goes() {
  local left=$(($(dimms) - 1))
  inside
  check "$round: QEMU asks the guest to release the $1 device" unplug "$1"
  check "$round: the guest released the $1 device" until_equal 60 "$left" dimms
  both "$round: the guest released the $1 device" "$2" 0
  check "$round: QEMU frees the $1 device's memory" qmp object-del '{"id": "memory-'"$1"'"}'
  passes
}

start_guest memory --blk-disk "$plain_socket" --memory 512M,slots=8,maxmem=4G --share "$work/shared" \
  --env ZB_SHARED="$work/shared" --append memhp_default_state=online_movable --monitor "$monitor" \
  --qemu-arg -trace --qemu-arg "enable=vhost_user_write,file=$work/trace" --timeout 400
wait_line 120 '^(zoned|plain) round' 2
equal "no memory is plugged at first" 0 "$(dimms)"

# The two devices have different sizes, so that their mappings can be distinguished. When the second one
# is unplugged, it is the only one, so fio's plugged buffers are all in it.
for round in once again; do
  comes first 256
  comes second 384
  goes first 256
  goes second 384
done
# The vhost-user requests ADD_MEM_REG (37) and REM_MEM_REG (38), instead of SET_MEM_TABLE.
for request in 37 38; do
  check "QEMU changed single regions of memory (request $request)" grep -q "vhost_user_write req:$request " "$work/trace"
done

: >"$work/shared/stop"
status=0
wait "$guest" || status=$?
guest=''
grep -Ev '^(zoned round|plain round|plugged .*)$' "$work/lines"
checks=$((checks + $(grep -cE '^(PASS|FAIL): ' "$work/lines")))
failures=$((failures + $(grep -c '^FAIL: ' "$work/lines")))
equal "the guest's script ends with status 0" 0 "$status"
server_alive "the zoned disk's server outlives the guest"
server_alive "the plain disk's server outlives the guest" plain
no_match "no server logs an error" 'error|fault|fail|broken' "$(cat "$work/server.log" "$work/plain.log")"
stop_server
stop_server plain
finish
