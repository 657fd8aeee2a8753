#!/bin/bash
# serve --read-only: the guest knows, and the disk's file does not change by a byte.
. "$(dirname "$0")/host.sh"
needs_server
create_disk
before=$(sha256sum <"$disk")
serve_disk --read-only
in_guest read-only
stop_server
equal "the file is as it was" "$before" "$(sha256sum <"$disk")"
finish
