# For tests outside the guest: disks, servers, guests. Source it first; end with "finish".
# shellcheck shell=bash disable=SC2034

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/checks.sh"
zonebridge=${ZONEBRIDGE:-$here/../../build/tools/zonebridge}
work=$(mktemp -d "${TMPDIR:-/tmp}/zonebridge-test-XXXXXX")
guest=''
declare -A servers=()

# shellcheck disable=SC2317,SC2329
host_cleanup() {
  local server
  trap - EXIT
  # The runner's own trap ends its QEMU.
  [ -z "$guest" ] || { kill "$guest" && wait "$guest"; } 2>/dev/null
  for server in "${servers[@]}"; do
    { kill -KILL "$server" && wait "$server"; } 2>/dev/null
  done
  rm -rf "$work"
}
trap host_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ -n "${ZB_PEER:-}" ]; then
  # Nothing to serve: the guest has a disk of its own.
  needs_server() { skip "only with a served disk"; }
else
  needs_server() { [ -x "$zonebridge" ] || give_up "the program is built" "there is no $zonebridge"; }
fi

# The common disk: small zones and few of them, an open limit that is soon reached.
export ZB_SIZE=$((512 << 20)) ZB_ZONE_SIZE=$((4 << 20)) ZB_CONVENTIONAL=4 ZB_MAX_OPEN=8
export ZB_BLOCK=512 ZB_PHYSICAL=512
disk=$work/disk.zb socket=$work/socket
# What the guest sees, and the option of ./run that attaches it, with properties (",NAME=VALUE").
virtio=scsi attach=--disk properties=''

# create_disk [OPTION...]: $disk as the environment describes it.
create_disk() {
  [ -z "${ZB_PEER:-}" ] || return 0
  needs_server
  local output
  output=$("$zonebridge" create "$disk" --size "$ZB_SIZE" --zone-size "$ZB_ZONE_SIZE" \
    --conventional "$ZB_CONVENTIONAL" --max-open "$ZB_MAX_OPEN" --block-size "$ZB_BLOCK" \
    --physical-block-size "$ZB_PHYSICAL" "$@" 2>&1) || give_up "zonebridge create" "$output"
}

# start_server NAME ARGUMENT...: `zonebridge serve`, its words in $work/NAME.log; returns when it is
# ready. A server that does not get there is the end of the test.
start_server() {
  local name=$1 log=$work/$1.log patience=200
  shift
  : >"$log"
  "$zonebridge" serve "$@" >>"$log" 2>&1 </dev/null &
  servers[$name]=$!
  until grep -q '^ready: ' "$log"; do
    server_runs "$name" && [ "$patience" -gt 0 ] || {
      kill -KILL "${servers[$name]}" 2>/dev/null
      unset "servers[$name]"
      give_up "zonebridge serve gets ready" "of: $*" "$(cat "$log")"
    }
    sleep 0.1
    patience=$((patience - 1))
  done
}
server_runs() { kill -0 "${servers[$1]:-none}" 2>/dev/null; }

# serve_disk [OPTION...]: $disk at $socket.
serve_disk() {
  [ -z "${ZB_PEER:-}" ] || return 0
  start_server server --virtio "$virtio" --socket "$socket" "emulated:$disk" "$@"
}

# server_alive WHAT [NAME]
server_alive() {
  local name=${2:-server}
  [ -n "${ZB_PEER:-}" ] && return 0
  if server_runs "$name"; then
    pass "$1"
  else
    wait "${servers[$name]}"
    fail "$1" "the server ended with status $?" "$(tail -n 20 "$work/$name.log")"
    unset "servers[$name]"
  fi
}

# stop_server [NAME]: the polite way; its exit status is checked.
stop_server() {
  local name=${1:-server} status=0 patience=100
  [ -n "${servers[$name]:-}" ] || return 0
  kill -TERM "${servers[$name]}" 2>/dev/null
  while server_runs "$name" && [ "$patience" -gt 0 ]; do
    sleep 0.1
    patience=$((patience - 1))
  done
  if server_runs "$name"; then
    kill -KILL "${servers[$name]}"
    fail "$name ends on SIGTERM" "it did not within ten seconds" "$(tail -n 20 "$work/$name.log")"
  fi
  wait "${servers[$name]}" || status=$?
  unset "servers[$name]"
  equal "$name ends clean" 0 "$status"
  rm -f "$socket"
}
kill_server() {
  kill -KILL "${servers[server]}"
  wait "${servers[server]}" 2>/dev/null
  unset "servers[server]"
  rm -f "$socket"
}

# guest_options: fills the array with what attaches the disk and tells the guest about it.
guest_options() {
  local variable
  options=()
  [ ! -S "$socket" ] || options+=("$attach" "$socket$properties")
  for variable in ZB_SIZE ZB_ZONE_SIZE ZB_CONVENTIONAL ZB_MAX_OPEN ZB_BLOCK ZB_PHYSICAL; do
    options+=(--env "$variable=${!variable}")
  done
}

# transports_namespace: fills the array with what gives the guest the namespace of
# inside/devices.sh's make_transports.
transports_namespace() {
  truncate -s 304M "$work/namespace"
  namespace=(--qemu-arg -blockdev --qemu-arg "driver=file,filename=$work/namespace,node-name=ns"
    --qemu-arg -device --qemu-arg nvme,id=nvme0,serial=ZB-ZNS
    --qemu-arg -device --qemu-arg "nvme-ns,drive=ns,bus=nvme0,zoned=on,zoned.zone_size=4M,zoned.zone_capacity=3M,zoned.max_open=8,zoned.max_active=12")
}

# in_guest SCRIPT [OPTION...]: one boot; the script's lines are the test's lines.
in_guest() {
  local script=$1 options
  shift
  guest_options
  "$here/run" "${options[@]}" "$@" "$here/inside/$script.sh" ${ZB_PEER:+"$ZB_PEER"} >"$work/lines" 2>"$work/run" &
  guest=$!
  count_guest "$script"
}

# on_both_kernels SCRIPT [OPTION...]: once with SCSI commands by SG_IO, and once on the first kernel that
# has them in io_uring; ZB_DATA_PATH says which to the script. The archive keeps a suite's newest kernel
# only, and may not be within reach.
on_both_kernels() {
  local script=$1 suite
  shift
  for suite in bookworm-backports trixie-backports; do
    if [ "$suite" != bookworm-backports ] &&
      ! ZONEBRIDGE_KERNEL_SUITE=$suite "$here/run" --prepare >"$work/newer" 2>&1; then
      skipped "SCSI commands by io_uring" "no kernel from $suite: $(tail -n 1 "$work/newer")"
      return
    fi
    echo "kernel of $suite:"
    ZONEBRIDGE_KERNEL_SUITE=$suite in_guest "$script" "$@" --env "ZONEBRIDGE=$zonebridge" \
      --env "ZB_DATA_PATH=$([ "$suite" = bookworm-backports ] && echo ioctl || echo io_uring)"
  done
}

# count_guest SCRIPT: until the guest is done. What the script counted inside counts here.
count_guest() {
  local script=$1 log status=0
  wait "$guest" || status=$?
  guest=''
  cat "$work/lines"
  checks=$((checks + $(grep -cE '^(PASS|FAIL): ' "$work/lines")))
  failures=$((failures + $(grep -c '^FAIL: ' "$work/lines")))
  case $status in
    0 | 1) ;;
    77) return 77 ;;
    *)
      fail "$script: the guest finishes" "status $status"
      tail -n 60 "$work/run"
      for log in "$work"/*.log; do
        [ ! -s "$log" ] || { echo "the log of $(basename "$log" .log):" && tail -n 20 "$log"; }
      done ;;
  esac
}

# start_guest SCRIPT [OPTION...]: one boot in the background; its output grows in $work/lines, for
# wait_line, and ends with count_guest or kill_guest.
start_guest() {
  local script=$1 options
  shift
  guest_options
  rm -f "$work/qemu-pid"
  : >"$work/lines"
  "$here/run" "${options[@]}" --quiet --pid-file "$work/qemu-pid" "$@" \
    "$here/inside/$script.sh" ${ZB_PEER:+"$ZB_PEER"} >"$work/lines" 2>"$work/run" &
  guest=$!
}
# wait_line SECONDS REGEX COUNT: until the guest has printed that many such lines.
wait_line() {
  local end=$((SECONDS + $1))
  until [ "$(grep -cE "$2" "$work/lines")" -ge "$3" ]; do
    kill -0 "$guest" 2>/dev/null && [ "$SECONDS" -lt "$end" ] ||
      give_up "the guest gets to: $2" "$(tail -n 20 "$work/lines" "$work/run")"
    sleep 0.05
  done
}
# kill_guest: as a power cut does it.
kill_guest() {
  kill -KILL "$(cat "$work/qemu-pid")"
  wait "$guest" 2>/dev/null
  local status=$?
  guest=''
  equal "the guest was killed" 137 "$status"
}

# zones_json: what zonebridge says of every zone, one "START POINTER STATE" a line.
zones_of_disk() {
  "$zonebridge" report "$disk" --json |
    python3 -c 'import json, sys
for z in json.load(sys.stdin)["zones"]:
    print(z["start"], z["write_pointer"], z["state"])'
}

# same_pointers FILE: what the guest's blkzone reported last is what the disk has.
same_pointers() {
  [ -z "${ZB_PEER:-}" ] || return 0
  local tool=$here/../../scripts/lib/zone-pointers
  equal "outside: every write pointer is what the guest saw" "$("$tool" blkzone <"$1")" \
    "$("$zonebridge" report "$disk" --json | "$tool" json)"
}
