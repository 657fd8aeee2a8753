#!/bin/bash
# serve --vduse: missing modules, a disk of this host, killed servers, a mounted disk, a guest's disk.
. "$(dirname "$0")/lib.sh"
# Copy the program to a folder where the user nobody can run it, too.
zonebridge=/usr/local/bin/zonebridge
cp "$ZONEBRIDGE" "$zonebridge" && chmod 755 "$zonebridge"
work=$(mktemp -d) && chmod 755 "$work"
zoned=$work/zoned.zb plain=$work/plain.zb
"$zonebridge" create "$zoned" --size 64M --zone-size 4M --conventional 2 >/dev/null &&
  "$zonebridge" create "$plain" --size 96M --model none >/dev/null ||
  give_up "zonebridge create"
dmesg -C

# start DISK [OPTION...]: starts a server for the disk as disk0; sets server.
start() {
  local file=$1
  shift
  : >"$work/out"
  : >"$work/log"
  "$zonebridge" serve --sandbox require --vduse disk0 "$@" "$file" >"$work/out" 2>"$work/log" </dev/null &
  server=$!
}
# up DISK [OPTION...]: starts a server and waits until it is ready; sets node.
up() {
  start "$@"
  until_there 60 eval 'grep -q "^ready:" "$work/out" || ! kill -0 $server' || true
  node=$(sed -n 's/^ready: .* at \(\/dev\/[^ ,]*\).*/\1/p' "$work/out")
  [ -n "$node" ] || give_up "serve --vduse $* becomes ready" "$(cat "$work/log")" "$(dmesg | tail -n 20)"
}
# ended NAME STATUS: checks that the server ends within a minute, with this status.
ended() {
  local status=0
  until_there 60 eval '! kill -0 $server' || {
    fail "$1" "the server still runs" "$(cat "$work/log")" "$(cat /proc/$server/task/*/stack)"
    kill -KILL "$server"
  }
  wait "$server" || status=$?
  equal "$1" "$2" "$status"
  [ "$status" -eq "$2" ] || cat "$work/log"
}
down() {
  kill -TERM "$server"
  ended "$1: after SIGTERM the server ends with status 0" 0
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
  equal "$1: no device, file or process is left" "" "$left"
}
# refuses NAME REGEX [OPTION...]: checks that serving $zoned fails, with a message that matches, and leaves
# no device, file or process.
refuses() {
  local name=$1 words=$2
  shift 2
  start "$zoned" "$@"
  ended "$name: the server fails" 1
  match "$name: the message says what to do" "$words" "$(cat "$work/log")"
  nothing_left "$name"
}

# ---- One requirement after the other is missing.
refuses "without vduse" 'modprobe vduse'
modprobe vduse
output=$(setpriv --reuid=nobody --clear-groups "$zonebridge" serve --vduse disk0 "$zoned" 2>&1)
equal "as the user nobody: the server fails" 1 $?
match "as the user nobody: the message says that it needs root" '/dev/vduse/control .*root' "$output"
refuses "without virtio_vdpa" 'modprobe virtio_vdpa'
refuses "without vhost_vdpa" 'modprobe vhost_vdpa' --attach guest
modprobe virtio_vdpa
if [ ! -e /sys/bus/virtio/drivers/virtio_blk ]; then
  refuses "without virtio_blk" 'modprobe virtio_blk'
else
  skipped "without virtio_blk" "this kernel has the driver built in"
fi
modprobe virtio_blk

# ---- A disk of this host.
up "$zoned"
match "the line ready: names the disk and the node" "^ready: $zoned .*host-managed.* at /dev/vd[a-z]+\$" "$(cat "$work/out")"
no_match "there are no arguments for QEMU" '^qemu:' "$(cat "$work/out")"
equal "the disk is host-managed" host-managed "$(cat "/sys/block/${node#/dev/}/queue/zoned")"
check "a write at the pointer" dd if=/dev/urandom of="$node" bs=4k count=4 seek=2048 oflag=direct
output=$("$zonebridge" serve --vduse disk0 "$plain" 2>&1)
equal "a second server with the same name: fails" 1 $?
match "a second server with the same name: the message says why" \
  'another process serves (the VDUSE device |/dev/vduse/)disk0' "$output"
check "the first server still works" dd if=/dev/urandom of="$node" bs=4k count=4 seek=2052 oflag=direct
refused "a second server for the same disk" "$zoned is in use by process $server \(zonebridge\)" "$zonebridge" serve --vduse disk1 "$zoned"
down "SIGTERM"
match "both writes are in the disk's file" '"write_pointer": 8421376' \
  "$("$zonebridge" report "$zoned" --json)"

# ---- Killed and started again.
up "$zoned"
held=$node
kill_server
check "killed: the kernel keeps the disk" test -b "$held"
up "$zoned"
match "killed: the next server takes the disk over" "^ready: .* at $held, took over\$" "$(cat "$work/out")"
check "killed: the disk works again" dd if=/dev/urandom of="$node" bs=4k count=4 seek=3072 oflag=direct
kill_server
start "$zoned" --attach guest
ended "killed: the next server must have the same --attach" 1
match "killed: the message names the driver and the ways out" "driven by virtio_vdpa.*--attach host.*vdpa dev del disk0" "$(cat "$work/log")"
check "killed: the disk stays" test -b "$held"
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
  match "killed under fio ($round): the next server took over" 'took over' "$(cat "$work/out")"
done
wait "$writer"
equal "killed under fio: fio verifies all its writes" 0 $?
[ -s "$work/fio" ] && ! grep -q 'err= *0' "$work/fio" && tail -n 30 "$work/fio"
down "killed under fio"

# ---- A mounted disk.
up "$plain"
modprobe ext4 2>/dev/null
mkdir "$work/mnt"
mkfs.ext4 -q -F "$node" && mount "$node" "$work/mnt" || give_up "a file system on $node"
head -c 5M /dev/urandom >"$work/data"
cp "$work/data" "$work/mnt/data"
kill -TERM "$server"
ended "mounted: after SIGTERM the server ends with status 0" 0
match "mounted: the log says where the disk is mounted" "$node is removed although it is mounted at $work/mnt" "$(cat "$work/log")"
nothing_left "mounted"
umount -l "$work/mnt"
"$zonebridge" read "$plain" --offset 0 --length 96M >"$work/image"
e2fsck -fy "$work/image" >"$work/fsck" 2>&1 # the journal is not empty
check "mounted: the data in the page cache was written to the disk" \
  cmp "$work/data" <(debugfs -R 'cat /data' "$work/image" 2>/dev/null)
rm "$work/image"

# ---- A virtual machine's disk.
modprobe vhost_vdpa
up "$zoned" --attach guest
equal "guest: both drivers are loaded, and vhost_vdpa has the device" vhost_vdpa \
  "$(basename "$(readlink /sys/bus/vdpa/devices/disk0/driver)")"
match "guest: the arguments for QEMU" "^qemu: .*memfd.*share=on.* vhost-vdpa-device-pci,vhostdev=$node,disable-legacy=on\$" "$(cat "$work/out")"
check "guest: the node exists" test -c "$node"
sleep 1000 3<>"$node" &
opener=$!
until_there 5 test -e /proc/$opener/fd/3
kill -TERM "$server"
until_there 10 grep -q 'is open in' "$work/log"
match "guest: after SIGTERM the server waits for the process that has the node open" "$node is open in .* \(process $opener\)" "$(cat "$work/log")"
check "guest: the server still runs meanwhile" kill -0 "$server"
kill "$opener"
ended "guest: when the node is closed, the server ends with status 0" 0
nothing_left "guest"
up "$zoned" --attach guest
sleep 1000 3<>"$node" &
opener=$!
until_there 5 test -e /proc/$opener/fd/3
kill -TERM "$server"
until_there 10 grep -q 'is open in' "$work/log"
kill -TERM "$server"
ended "guest: after a second SIGTERM the server does not wait" 1
match "guest: the message says that the device stays" 'serve it again' "$(cat "$work/log")"
up "$zoned" --attach guest
match "guest: the next server takes the device over" 'took over' "$(cat "$work/out")"
kill "$opener"
wait "$opener" 2>/dev/null
down "guest, taken over"
up "$zoned"
equal "host: both drivers are loaded, and virtio_vdpa has the device" virtio_vdpa \
  "$(basename "$(readlink /sys/bus/vdpa/devices/disk0/driver)")"
down "host, with both drivers"
no_match "the kernel logs no warning" 'WARNING:|BUG:|Oops|hung task|refuses features' "$(dmesg)"
finish
