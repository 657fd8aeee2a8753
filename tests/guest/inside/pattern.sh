# Data that contains its own position, so that misplaced data is noticed. Source this file.
# shellcheck shell=bash

# pattern ZONE: the content of a whole zone, in lines of 32 bytes with zone number and line number.
pattern() {
  seq -f "zone $(printf '%04d' "$1") line %016.0f" 0 $((ZB_ZONE_SIZE / 32 - 1)) | cut -c1-31
}
