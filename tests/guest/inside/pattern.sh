# Data that says where it belongs, so that a piece out of place cannot go unseen. Source it.
# shellcheck shell=bash

# pattern ZONE: the whole of a zone's content, lines of 32 bytes: zone number and line number.
pattern() {
  seq -f "zone $(printf '%04d' "$1") line %016.0f" 0 $((ZB_ZONE_SIZE / 32 - 1)) | cut -c1-31
}
