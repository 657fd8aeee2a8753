#!/usr/bin/env python3
"""Makes a zonefs on a zoned disk, as mkzonefs of zonefs-tools does (in Debian from trixie on).

usage: make-zonefs.py DEVICE

The metadata is one super block of 4096 bytes in the first zone, little-endian (Linux:
Documentation/filesystems/zonefs.rst, "On-disk metadata"; the fields in fs/zonefs/zonefs.h): magic "ZOFS"
at 0, checksum 4, label 8 (64 bytes), UUID 72 (16), features 88 (8), owner 96, group 100, permissions 104,
then zeroes. The checksum is the CRC-32 of the block with zero in the checksum's place, without the final
inversion. Every other zone is a file, whose length is the zone's write pointer.
"""
import mmap
import os
import struct
import sys
import uuid
import zlib

SIZE = 4096
PERMISSIONS_GIVEN = 1 << 3


def super_block():
    def packed(checksum):
        return struct.pack('<4sI64s16sQIII', b'SFOZ', checksum, b'zonebridge', identity,
                           PERMISSIONS_GIVEN, 0, 0, 0o600).ljust(SIZE, b'\0')
    identity = uuid.uuid4().bytes
    return packed(zlib.crc32(packed(0)) ^ 0xFFFFFFFF)


def main():
    # A sequential zone takes only direct writes, which need memory aligned to pages.
    page = mmap.mmap(-1, SIZE)
    page.write(super_block())
    disk = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
    if os.pwrite(disk, page, 0) != SIZE:
        sys.exit('short write')
    os.fsync(disk)


main()
