#!/bin/bash
# Inside: serve --vduse from the first missing module to a disk that goes away under a file system.
. "$(dirname "$0")/lib.sh"
# Where nobody may run it, too.
zonebridge=/usr/local/bin/zonebridge
cp "$ZONEBRIDGE" "$zonebridge" && chmod 755 "$zonebridge"
work=$(mktemp -d) && chmod 755 "$work"
zoned=$work/zoned.zb plain=$work/plain.zb
"$zonebridge" create "$zoned" --size 64M --zone-size 4M --conventional 2 >/dev/null &&
  "$zonebridge" create "$plain" --size 96M --model none >/dev/null ||
  give_up "zonebridge create"
dmesg -C

# start DISK [OPTION...]: serves it as disk0; sets server.
start() {
  local file=$1
  shift
  : >"$work/out"
  : >"$work/log"
  "$zonebridge" serve --vduse disk0 "$@" "$file" >"$work/out" 2>"$work/log" </dev/null &
  server=$!
}
# up DISK [OPTION...]: and waits; sets node.
up() {
  start "$@"
  until_there 60 eval 'grep -q "^ready:" "$work/out" || ! kill -0 $server' || true
  node=$(sed -n 's/^ready: .* at \(\/dev\/[^ ,]*\).*/\1/p' "$work/out")
  [ -n "$node" ] || give_up "serve --vduse $* gets ready" "$(cat "$work/log")" "$(dmesg | tail -n 20)"
}
# ended NAME STATUS: the server has ended within a minute, with that status.
ended() {
  local status=0
  until_there 60 eval '! kill -0 $server' || {
    fail "$1" "it still runs" "$(cat "$work/log")" "$(cat /proc/$server/task/*/stack)"
    kill -KILL "$server"
  }
  wait "$server" || status=$?
  equal "$1" "$2" "$status"
  [ "$status" -eq "$2" ] || cat "$work/log"
}
down() {
  kill -TERM "$server"
  ended "$1: SIGTERM ends it clean" 0
  nothing_left "$1"
}
kill_server() {
  kill -KILL "$server"
  wait "$server" 2>/dev/null
}
nothing_left() {
  local left
  left=$(
    ls -d /dev/vduse/* /dev/vd[a-z] /dev/vhost-vdpa-* /sys/bus/vdpa/devices/* 2>/dev/null | grep -v /dev/vduse/control
    find /run/zonebridge -mindepth 1 2>/dev/null
    processes zonebridge
  )
  equal "$1: nothing is left" "" "$left"
}
# refuses NAME REGEX [OPTION...]: serving $zoned fails with such words and leaves nothing.
refuses() {
  local name=$1 words=$2
  shift 2
  start "$zoned" "$@"
  ended "$name: fails" 1
  match "$name: says what to do" "$words" "$(cat "$work/log")"
  nothing_left "$name"
}

# ---- What is missing, one thing after the other.
refuses "without vduse" 'modprobe vduse'
modprobe vduse
output=$(setpriv --reuid=nobody --clear-groups "$zonebridge" serve --vduse disk0 "$zoned" 2>&1)
equal "as nobody: fails" 1 $?
match "as nobody: says that it takes root" '/dev/vduse/control .*root' "$output"
refuses "without virtio_vdpa" 'modprobe virtio_vdpa'
refuses "without vhost_vdpa" 'modprobe vhost_vdpa' --attach guest
modprobe virtio_vdpa
if [ ! -e /sys/bus/virtio/drivers/virtio_blk ]; then
  refuses "without virtio_blk" 'modprobe virtio_blk'
fi
modprobe virtio_blk

# ---- This host's own disk.
up "$zoned"
match "the announcement has the disk" "^ready: $zoned .*host-managed.* at /dev/vd[a-z]+\$" "$(cat "$work/out")"
no_match "a disk of this host needs no QEMU" '^qemu:' "$(cat "$work/out")"
equal "it is host-managed" host-managed "$(cat "/sys/block/${node#/dev/}/queue/zoned")"
check "it takes a write" dd if=/dev/urandom of="$node" bs=4k count=4 seek=2048 oflag=direct
output=$("$zonebridge" serve --vduse disk0 "$plain" 2>&1)
equal "the name of a living server: fails" 1 $?
match "the name of a living server: says so" 'disk0.*(process|serve|use)' "$output"
check "which goes on" dd if=/dev/urandom of="$node" bs=4k count=4 seek=2052 oflag=direct
refused "its disk is not served twice" 'process|writ|use|lock' "$zonebridge" serve --vduse disk1 "$zoned"
down "SIGTERM"
match "outside: what was written is there" '"write_pointer": 8421376' \
  "$("$zonebridge" report "$zoned" --json)"

# ---- Killed and started again.
up "$zoned"
held=$node
kill_server
check "killed: the kernel keeps the disk" test -b "$held"
up "$zoned"
match "killed: the next one takes it over" "^ready: .* at $held, took over\$" "$(cat "$work/out")"
check "and it works" dd if=/dev/urandom of="$node" bs=4k count=4 seek=3072 oflag=direct
kill_server
start "$zoned" --attach guest
ended "killed: as another's driver it is not taken over" 1
match "and the words say how it is" "driven by virtio_vdpa.*--attach host.*vdpa dev del disk0" "$(cat "$work/log")"
check "the disk stays" test -b "$held"
up "$zoned"
down "killed twice"

up "$plain"
fio --name=killed --filename="$node" --rw=randwrite --bs=4k --iodepth=16 --ioengine=libaio --direct=1 \
  --size=32M --verify=crc32c --do_verify=1 --verify_fatal=1 --rate_iops=400 --output="$work/fio" &
writer=$!
for round in 1 2 3; do
  sleep 4
  kill_server
  sleep 1
  up "$plain"
  match "killed $round under fio: took over" 'took over' "$(cat "$work/out")"
done
wait "$writer"
equal "every write that fio made is there" 0 $?
[ -s "$work/fio" ] && ! grep -q 'err= *0' "$work/fio" && tail -n 30 "$work/fio"
down "killed under fio"

# ---- Under a file system.
up "$plain"
modprobe ext4 2>/dev/null
mkdir "$work/mnt"
mkfs.ext4 -q -F "$node" && mount "$node" "$work/mnt" || give_up "a file system on $node"
head -c 5M /dev/urandom >"$work/data"
cp "$work/data" "$work/mnt/data"
kill -TERM "$server"
ended "mounted: SIGTERM ends it" 0
match "mounted: the log says by whom" "$node is removed although it is mounted at $work/mnt" "$(cat "$work/log")"
nothing_left "mounted"
umount -l "$work/mnt"
"$zonebridge" read "$plain" --offset 0 --length 96M >"$work/image"
e2fsck -fy "$work/image" >"$work/fsck" 2>&1 # the journal is not empty
check "mounted: what was in memory is on the disk" \
  cmp "$work/data" <(debugfs -R 'cat /data' "$work/image" 2>/dev/null)
rm "$work/image"

# ---- A virtual machine's disk.
modprobe vhost_vdpa
up "$zoned" --attach guest
equal "guest: both drivers are there, and the right one has it" vhost_vdpa \
  "$(basename "$(readlink /sys/bus/vdpa/devices/disk0/driver)")"
match "guest: QEMU's words" "^qemu: .*memfd.*share=on.* vhost-vdpa-device-pci,vhostdev=$node\$" "$(cat "$work/out")"
check "guest: the node is there" test -c "$node"
sleep 1000 3<>"$node" &
opener=$!
until_there 5 test -e /proc/$opener/fd/3
kill -TERM "$server"
until_there 10 grep -q 'is open in' "$work/log"
match "guest: SIGTERM waits for who has it open" "$node is open in .* \(process $opener\)" "$(cat "$work/log")"
check "guest: and serves on" kill -0 "$server"
kill "$opener"
ended "guest: then it ends clean" 0
nothing_left "guest"
up "$zoned" --attach guest
sleep 1000 3<>"$node" &
opener=$!
until_there 5 test -e /proc/$opener/fd/3
kill -TERM "$server"
until_there 10 grep -q 'is open in' "$work/log"
kill -TERM "$server"
ended "guest: a second SIGTERM does not wait" 1
match "guest: and tells what stays" 'serve it again' "$(cat "$work/log")"
up "$zoned" --attach guest
match "guest: the next one takes it over" 'took over' "$(cat "$work/out")"
kill "$opener"
wait "$opener" 2>/dev/null
down "guest, taken over"
up "$zoned"
equal "host: both drivers are there, and the right one has it" virtio_vdpa \
  "$(basename "$(readlink /sys/bus/vdpa/devices/disk0/driver)")"
down "host, with both drivers"
no_match "the kernel complains of nothing" 'WARNING:|BUG:|Oops|hung task|refuses features' "$(dmesg)"
finish
