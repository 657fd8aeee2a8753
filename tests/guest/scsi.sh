#!/bin/bash
# An emulated host-managed disk on virtio-scsi: Linux's view, sg3_utils, and every kind of refusal.
. "$(dirname "$0")/host.sh"
create_disk
serve_disk
in_guest scsi
server_alive "the server outlives the guest"
stop_server
finish
