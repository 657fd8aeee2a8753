#!/bin/bash
# VDUSE: emulated, scsi_debug, null_blk and ZNS disks as /dev/vdX of the host, with the same zones.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on devices of its own"
needs_server
transports_namespace
in_guest vduse-disks "${namespace[@]}" --memory 1536M --timeout 900 --modules vduse --modules virtio_vdpa \
  --modules virtio_blk --env "ZONEBRIDGE=$zonebridge" --env "ZB_ONLY=${ZB_ONLY:-}" \
  --env "ZB_PARTS=${ZB_PARTS:-}"
finish
