# Helpers for tests that run outside the guest: disks, servers, guests. Source this file first, and end
# the test with "finish".
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
  # ./run ends its QEMU itself.
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
  # The guest uses a disk of its own, so no server is needed.
  needs_server() { skip "only with a served disk"; }
else
  needs_server() { [ -x "$zonebridge" ] || give_up "the program is built" "there is no $zonebridge"; }
fi

# The disk of most tests. It has few and small zones, and a limit of open zones that is easy to reach.
export ZB_SIZE=$((512 << 20)) ZB_ZONE_SIZE=$((4 << 20)) ZB_CONVENTIONAL=4 ZB_MAX_OPEN=8
export ZB_BLOCK=512 ZB_PHYSICAL=512
disk=$work/disk.zb socket=$work/socket
# The device that the guest sees, the option of ./run that attaches it, and the device's properties
# (",NAME=VALUE").
virtio=scsi attach=--disk properties=''

# create_disk [OPTION...]: creates $disk with the sizes and limits in the environment.
create_disk() {
  [ -z "${ZB_PEER:-}" ] || return 0
  needs_server
  local output
  output=$("$zonebridge" create "$disk" --size "$ZB_SIZE" --zone-size "$ZB_ZONE_SIZE" \
    --conventional "$ZB_CONVENTIONAL" --max-open "$ZB_MAX_OPEN" --block-size "$ZB_BLOCK" \
    --physical-block-size "$ZB_PHYSICAL" "$@" 2>&1) || give_up "zonebridge create" "$output"
}

# start_server NAME ARGUMENT...: starts `zonebridge serve` with its output in $work/NAME.log, and waits
# until the server is ready. If the server does not become ready within 20 seconds, the test ends. The
# server is confined as far as possible (ZB_SANDBOX: or as this says).
start_server() {
  local name=$1 log=$work/$1.log patience=200
  shift
  : >"$log"
  "$zonebridge" serve --sandbox "${ZB_SANDBOX:-require}" "$@" >>"$log" 2>&1 </dev/null &
  servers[$name]=$!
  until grep -q '^ready: ' "$log"; do
    server_runs "$name" && [ "$patience" -gt 0 ] || {
      kill -KILL "${servers[$name]}" 2>/dev/null
      unset "servers[$name]"
      give_up "zonebridge serve becomes ready" "arguments: $*" "$(cat "$log")"
    }
    sleep 0.1
    patience=$((patience - 1))
  done
}
server_runs() { kill -0 "${servers[$1]:-none}" 2>/dev/null; }

# serve_disk [OPTION...]: serves $disk at $socket.
serve_disk() {
  [ -z "${ZB_PEER:-}" ] || return 0
  start_server server --virtio "$virtio" --socket "$socket" "emulated:$disk" "$@"
}

# server_alive WHAT [NAME]: checks that the server still runs.
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

# stop_server [NAME]: sends SIGTERM, and checks that the server ends within ten seconds, with status 0.
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
    fail "$name ends on SIGTERM" "it still ran after ten seconds" "$(tail -n 20 "$work/$name.log")"
  fi
  wait "${servers[$name]}" || status=$?
  unset "servers[$name]"
  equal "$name ends with status 0" 0 "$status"
  rm -f "$socket"
}
kill_server() {
  kill -KILL "${servers[server]}"
  wait "${servers[server]}" 2>/dev/null
  unset "servers[server]"
  rm -f "$socket"
}

# guest_options: sets the array options to those that attach the disk and describe it to the guest.
guest_options() {
  local variable
  options=()
  [ ! -S "$socket" ] || options+=("$attach" "$socket$properties")
  for variable in ZB_SIZE ZB_ZONE_SIZE ZB_CONVENTIONAL ZB_MAX_OPEN ZB_BLOCK ZB_PHYSICAL; do
    options+=(--env "$variable=${!variable}")
  done
}

# transports_namespace: sets the array namespace to options that give the guest the NVMe namespace for
# make_transports of inside/devices.sh.
transports_namespace() {
  truncate -s 304M "$work/namespace"
  namespace=(--qemu-arg -blockdev --qemu-arg "driver=file,filename=$work/namespace,node-name=ns"
    --qemu-arg -device --qemu-arg nvme,id=nvme0,serial=ZB-ZNS
    --qemu-arg -device --qemu-arg "nvme-ns,drive=ns,bus=nvme0,zoned=on,zoned.zone_size=4M,zoned.zone_capacity=3M,zoned.max_open=8,zoned.max_active=12")
}

# in_guest SCRIPT [OPTION...]: boots a guest, runs inside/SCRIPT.sh in it, and counts its checks.
in_guest() {
  local script=$1 options
  shift
  guest_options
  "$here/run" "${options[@]}" "$@" "$here/inside/$script.sh" ${ZB_PEER:+"$ZB_PEER"} >"$work/lines" 2>"$work/run" &
  guest=$!
  count_guest "$script"
}

# on_both_kernels SCRIPT [OPTION...]: runs the script on a kernel that takes SCSI commands by SG_IO only,
# and on a newer kernel that takes them in io_uring. ZB_DATA_PATH tells the script which. The second run
# is skipped if that kernel can't be fetched.
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

# count_guest SCRIPT: waits until the guest has ended, prints its lines and counts its checks.
count_guest() {
  local script=$1 log bad status=0
  wait "$guest" || status=$?
  guest=''
  cat "$work/lines"
  checks=$((checks + $(grep -cE '^(PASS|FAIL): ' "$work/lines")))
  bad=$(grep -c '^FAIL: ' "$work/lines")
  failures=$((failures + bad))
  case $status in
    0) ;;
    # A script that died has status 1, too.
    1) [ "$bad" -gt 0 ] || fail "$script: the script ends with status 0" "status 1, but no check failed" ;;
    77) return 77 ;;
    *)
      fail "$script: the guest ends normally" "status $status"
      tail -n 60 "$work/run"
      for log in "$work"/*.log; do
        [ ! -s "$log" ] || { echo "the log of $(basename "$log" .log):" && tail -n 20 "$log"; }
      done ;;
  esac
}

# start_guest SCRIPT [OPTION...]: boots a guest in the background. Its output goes to $work/lines, where
# wait_line finds it. End the guest with count_guest or kill_guest.
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
# wait_line SECONDS REGEX COUNT: waits until the guest has printed COUNT lines that match. The test ends
# if the guest does not print them in time.
wait_line() {
  local end=$((SECONDS + $1))
  until [ "$(grep -cE "$2" "$work/lines")" -ge "$3" ]; do
    kill -0 "$guest" 2>/dev/null && [ "$SECONDS" -lt "$end" ] ||
      give_up "the guest prints: $2" "$(tail -n 20 "$work/lines" "$work/run")"
    sleep 0.05
  done
}
# kill_guest: kills QEMU, so that the guest stops as in a power cut.
kill_guest() {
  kill -KILL "$(cat "$work/qemu-pid")"
  wait "$guest" 2>/dev/null
  local status=$?
  guest=''
  equal "the guest was killed" 137 "$status"
}

# zones_of_disk: one line "START POINTER STATE" for each zone, as zonebridge reports it.
zones_of_disk() {
  "$zonebridge" report "$disk" --json |
    python3 -c 'import json, sys
for z in json.load(sys.stdin)["zones"]:
    print(z["start"], z["write_pointer"], z["state"])'
}

# same_pointers FILE: checks that the disk has the write pointers of FILE, a report of the guest's blkzone.
same_pointers() {
  [ -z "${ZB_PEER:-}" ] || return 0
  local tool=$here/../../scripts/lib/zone-pointers
  equal "outside: every write pointer is as the guest saw it" "$("$tool" blkzone <"$1")" \
    "$("$zonebridge" report "$disk" --json | "$tool" json)"
}
