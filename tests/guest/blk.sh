#!/bin/bash
# virtio-blk by QEMU's vhost-user-blk: an ordinary disk works, a host-managed one returns only errors.
. "$(dirname "$0")/host.sh"
needs_server
virtio=blk attach=--blk-disk

# fsck_outside: copies the disk to a plain file and checks it with e2fsck.
fsck_outside() {
  "$zonebridge" read "$disk" --offset 0 --length "$ZB_SIZE" >"$work/image" &&
    /sbin/e2fsck -fn "$work/image"
}

"$zonebridge" create "$disk" --size "$ZB_SIZE" --model none >/dev/null 2>&1 ||
  give_up "zonebridge create --model none"
serve_disk
in_guest blk-plain
server_alive "the server outlives the guest"
stop_server
check "outside: the file system has no errors" fsck_outside
# The disk has two files of 8 MiB and the file system's own data. A file of 96 MiB was removed and trimmed.
space=$(du --block-size=1M "$disk" | cut -f1)
check "outside: the trimmed blocks take no space ($space MiB)" test "$space" -lt 64
rm -f "$disk"

# QEMU's vhost-user-blk does not pass VIRTIO_BLK_F_ZONED on.
create_disk
before=$(zones_of_disk)
serve_disk
in_guest blk-unzoned
match "the log names the front ends that can carry a host-managed disk" \
  'VIRTIO_BLK_F_ZONED.*vhost-user-test-device-pci.*crosvm' "$(cat "$work/server.log")"
server_alive "the server outlives the guest"
stop_server
equal "no zone has changed" "$before" "$(zones_of_disk)"
finish
