#!/bin/bash
# serve --read-only: the guest sees a read-only disk, and the disk's file does not change.
. "$(dirname "$0")/host.sh"
needs_server
create_disk
before=$(sha256sum <"$disk")
serve_disk --read-only
in_guest read-only
stop_server
equal "outside: the file has not changed" "$before" "$(sha256sum <"$disk")"
finish
