#!/bin/bash
# An emulated host-managed disk on virtio-scsi: Linux's numbers, sg3_utils, every refusal.
. "$(dirname "$0")/host.sh"
create_disk
serve_disk
in_guest scsi
server_alive "the server outlives the guest"
stop_server
finish
