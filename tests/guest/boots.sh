#!/bin/bash
# (slow) Every firmware boots from every kind of served disk that it can boot from.
ZB_CELLS=all exec "$(dirname "$0")/firmware.sh"
