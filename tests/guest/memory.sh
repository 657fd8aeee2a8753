#!/bin/bash
# A guest's memory is plugged and unplugged while it does I/O out of it, by virtio-scsi and virtio-blk.
. "$(dirname "$0")/host.sh"
needs_server
mkdir "$work/shared"
plain=$work/plain.zb plain_socket=$work/plain-socket monitor=$work/monitor

# Two disks, a server each: zones behind virtio-scsi, none behind virtio-blk.
create_disk
"$zonebridge" create "$plain" --size "$ZB_SIZE" --model none >/dev/null 2>&1 ||
  give_up "zonebridge create --model none"
serve_disk
start_server plain --virtio blk --socket "$plain_socket" "emulated:$plain"

qmp() { "$here/qmp" "$monitor" "$@" 2>&1; }
# dimms: how many there are, by QEMU.
dimms() { qmp query-memory-devices | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'; }
# mapped NAME SIZE: how many pieces of guest memory of so many bytes that server has mapped.
mapped() {
  local ends rest count=0
  while read -r ends rest; do
    [[ $rest != *memory-backend-memfd* ]] || [ $((16#${ends#*-} - 16#${ends%-*})) -ne "$2" ] || count=$((count + 1))
  done <"/proc/${servers[$1]}/maps"
  echo "$count"
}
# until_equal SECONDS WHAT COMMAND...: waits until the command prints that.
until_equal() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until [ "$("$@")" = "$what" ]; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}
# plug ID MIB, unplug ID
plug() {
  qmp object-add '{"qom-type": "memory-backend-memfd", "id": "memory-'"$1"'", "size": '$(($2 << 20))', "share": true}' &&
    qmp device_add '{"driver": "pc-dimm", "id": "'"$1"'", "memdev": "memory-'"$1"'"}'
}
unplug() { qmp device_del '{"id": "'"$1"'"}'; }

# passes: until another round of both of the guest's jobs is verified.
passes() {
  local job
  for job in zoned plain; do
    wait_line 120 "^$job round" $(($(grep -c "^$job round" "$work/lines") + 1))
  done
}
# inside: until some of fio's buffers are seen in plugged memory, a MiB at least.
inside() {
  local many='^plugged ([3-9][0-9]{2}|[0-9]{4,})'
  wait_line 120 "$many" $(($(grep -Ec "$many" "$work/lines") + 1))
}
# both NAME MIB COUNT: each server maps so many pieces of that size, soon.
both() {
  local server
  for server in server plain; do
    check "$1: $server maps $3 such pieces of memory" until_equal 20 "$3" mapped "$server" $(($2 << 20))
  done
}
# comes ID MIB, goes ID MIB: plugged, and unplugged, under I/O.
comes() {
  check "$round: the $1 is plugged" plug "$1" "$2"
  both "$round: the $1 is plugged" "$2" 1
  passes
}
goes() {
  local left=$(($(dimms) - 1))
  inside
  check "$round: the guest is asked to give up the $1" unplug "$1"
  check "$round: the guest gave up the $1" until_equal 60 "$left" dimms
  both "$round: the guest gave up the $1" "$2" 0
  check "$round: the $1 one's memory goes" qmp object-del '{"id": "memory-'"$1"'"}'
  passes
}

start_guest memory --blk-disk "$plain_socket" --memory 512M,slots=8,maxmem=4G --share "$work/shared" \
  --env ZB_SHARED="$work/shared" --append memhp_default_state=online_movable --monitor "$monitor" \
  --qemu-arg -trace --qemu-arg "enable=vhost_user_write,file=$work/trace" --timeout 400
wait_line 120 '^(zoned|plain) round' 2
equal "no memory is plugged at first" 0 "$(dimms)"

# Of two sizes, that tell them apart. The second is given up as the only one there is: fio's buffers are
# in it then, and nowhere else.
for round in once again; do
  comes first 256
  comes second 384
  goes first 256
  goes second 384
done
# 37 is ADD_MEM_REG, 38 REM_MEM_REG, 5 SET_MEM_TABLE.
for request in 37 38; do
  check "QEMU sent each piece by itself (request $request)" grep -q "vhost_user_write req:$request " "$work/trace"
done

: >"$work/shared/stop"
status=0
wait "$guest" || status=$?
guest=''
grep -Ev '^(zoned round|plain round|plugged .*)$' "$work/lines"
checks=$((checks + $(grep -cE '^(PASS|FAIL): ' "$work/lines")))
failures=$((failures + $(grep -c '^FAIL: ' "$work/lines")))
equal "the guest ends well" 0 "$status"
server_alive "the zoned disk's server outlives the guest"
server_alive "the plain disk's server outlives the guest" plain
no_match "no server complains" 'error|fault|fail|broken' "$(cat "$work/server.log" "$work/plain.log")"
stop_server
stop_server plain
finish
