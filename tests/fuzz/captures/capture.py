#!/usr/bin/env python3
"""Captures the answers of a device, as text, for the fuzzers' seeds. Made to run in the lab guest, as
captures/capture does. It writes to the device.

usage: capture.py scsi /dev/sgN | ata /dev/sgN | nvme /dev/ngXnY

The text, line by line:
  # COMMENT
  ? BYTES       a command: a CDB, or for NVMe the opcode, and CNS and CSI or the action and its options
  = LENGTH      it succeeded with that many bytes of data
  ! BYTES       it failed with this sense data
  OFFSET BYTES  16 bytes of the data; lines of zeroes are left out
All numbers are hexadecimal.
"""
import ctypes
import fcntl
import os
import struct
import sys

SG_IO = 0x2285
NVME_ADMIN, NVME_IO = 0xC0484E41, 0xC0484E43


def show(sent, data, sense):
    print("?", sent.hex(" "))
    if data is None:
        print("!", sense.hex(" "))
        return
    print(f"= {len(data):x}")
    for at in range(0, len(data), 16):
        if any(data[at:at + 16]):
            print(f"{at:04x} {data[at:at + 16].hex(' ')}")


def scsi(fd, cdb, length=0, out=b""):
    """Sends a CDB; returns its data, or nothing and the sense data."""
    buffer = ctypes.create_string_buffer(out or bytes(length), max(length, len(out), 1))
    sense = ctypes.create_string_buffer(96)
    command = ctypes.create_string_buffer(bytes(cdb), len(cdb))
    direction = -2 if out else -3 if length else -1
    header = bytearray(struct.pack(
        "iiBBHIPPPIIiPBBBBHHiII4x", ord("S"), direction, len(cdb), 96, 0, len(out) or length,
        ctypes.addressof(buffer), ctypes.addressof(command), ctypes.addressof(sense), 20000, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0))
    fcntl.ioctl(fd, SG_IO, header)
    status, _, _, written, host, _, residual = struct.unpack_from("BBBBHHi", header, 64)
    if status == 2:
        return None, sense.raw[:written]
    if status or host:
        raise OSError(f"{bytes(cdb).hex()}: status {status}, host {host}")
    return buffer.raw[:max(length - residual, 0)], b""


def be(value, width):
    return list(value.to_bytes(width, "big"))


def capture_scsi(fd, ata):
    def ask(cdb, length=0, out=b""):
        data, sense = scsi(fd, cdb, length, out)
        if data is None or cdb[0] != 0x88:  # what a READ(16) reads is of no interest
            show(bytes(cdb), data, sense)

    ask([0x00] + [0] * 5)  # mostly a unit attention
    ask([0x00] + [0] * 5)
    ask([0x12, 0, 0, 0, 96, 0], 96)
    for page in (0x00, 0x80, 0x83, 0x86, 0x87, 0x89, 0xB0, 0xB1, 0xB2, 0xB6):
        ask([0x12, 1, page] + be(1024, 2) + [0], 1024)
    ask([0x9E, 0x10] + [0] * 8 + be(32, 4) + [0, 0], 32)
    ask([0x5A, 0x08, 0x3F] + [0] * 4 + be(252, 2) + [0], 252)
    ask([0x1A, 0x08, 0x3F, 0, 252, 0], 252)
    ask([0xA3, 0x0C, 0x80, 0, 0, 0] + be(4096, 4) + [0, 0], 4096)
    if ata:
        # ATA PASS-THROUGH(16): IDENTIFY DEVICE, and a READ LOG EXT that the disk may not know.
        ask([0x85, 0x08, 0x0E, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xEC, 0], 512)
        ask([0x85, 0x09, 0x2E, 0, 0, 0, 1, 0, 0x30, 0, 0, 0, 0, 0, 0x2F, 0], 512)
        ask([0x85, 0x06, 0x20] + [0] * 11 + [0xE5, 0])  # CHECK POWER MODE, with the registers
        return
    report = [0x95, 0] + be(0, 8) + be(4096, 4) + [0, 0]
    first, _ = scsi(fd, report, 4096)
    capacity, _ = scsi(fd, [0x9E, 0x10] + [0] * 8 + be(32, 4) + [0, 0], 32)
    block = int.from_bytes(capacity[8:12], "big")
    ask([0x88, 0] + be(int.from_bytes(capacity[:8], "big"), 8) + be(2, 4) + [0, 0], 2 * block)
    ask([0xBE] + [0] * 15)  # no such command
    ask([0x12, 0, 0x83, 0, 96, 0], 96)  # a page without EVPD
    if first is None:
        return ask(report, 4096)
    starts = [int.from_bytes(first[at + 16:at + 24], "big")
              for at in range(64, len(first), 64) if first[at] & 0xF in (2, 3)]

    def act(action, zone):
        return [0x94, action] + be(starts[zone], 8) + [0] * 6

    def write(zone, ahead=0):
        return [0x8A, 0] + be(starts[zone] + ahead, 8) + be(8, 4) + [0, 0]

    data = b"zonebridge test " * (block // 2)
    scsi(fd, act(3, 0))                 # explicitly open
    scsi(fd, write(1), 0, data)         # implicitly open
    scsi(fd, write(2), 0, data)
    scsi(fd, act(1, 2))                 # closed
    scsi(fd, act(2, 3))                 # full
    ask(report, 4096)
    ask([0x95, 0] + be(starts[2], 8) + be(128, 4) + [0x80, 0], 128)  # partial
    ask(write(1, 64), 0, data)          # not at the pointer
    ask(write(3), 0, data)              # a full zone
    ask([0x88, 0] + be(starts[1] - 4, 8) + be(8, 4) + [0, 0], 8 * block)  # over a boundary
    ask([0x88, 0] + be(starts[1] + 4, 8) + be(8, 4) + [0, 0], 8 * block)  # past the pointer
    ask([0x94, 3] + be(0, 8) + [0] * 6)   # no zone to write in sequence
    ask([0x94, 3] + be(starts[1] + 1, 8) + [0] * 6)  # not a zone's start
    for zone in range(4, len(starts)):  # more zones than can be open
        if scsi(fd, act(3, zone))[0] is None:
            ask(act(3, zone))
            break


def nvme(fd, request, opcode, length, words, space=0):
    buffer = ctypes.create_string_buffer(max(length, 1))
    words = list(words) + [0] * (6 - len(words))
    fcntl.ioctl(fd, request, bytearray(struct.pack(
        "BBHIIIQQII6III", opcode, 0, 0, space, 0, 0, 0, ctypes.addressof(buffer) if length else 0,
        0, length, *words, 0, 0)))
    return buffer.raw[:length]


def capture_nvme(fd):
    space = fcntl.ioctl(fd, 0x4E40)
    for cns, csi, of in ((1, 0, 0), (6, 2, 0), (0, 0, space), (5, 2, space), (8, 0, space), (3, 0, space)):
        try:
            data = nvme(fd, NVME_ADMIN, 0x06, 4096, [cns, csi << 24], of)
        except OSError as error:
            print(f"# Identify {cns:02x} failed: {error}")
            continue
        show(bytes([6, cns, csi]), data, b"")
    whole = 64 + 64 * 8

    def report(kind):
        return nvme(fd, NVME_IO, 0x7A, whole, [0, 0, whole // 4 - 1, kind], space)

    first = report(0x10000)
    starts = [int.from_bytes(first[at + 16:at + 24], "little") for at in range(64, whole, 64)]
    for zone, action in ((1, 3), (2, 3), (2, 1), (3, 2), (4, 5)):  # open, open and close, finish, offline
        try:
            nvme(fd, NVME_IO, 0x79, 0, [starts[zone], 0, 0, action], space)
        except OSError as error:
            print(f"# Zone Management Send {action} failed: {error}")
    for kind in (0, 0x10000):
        show(bytes([0x7A, 0, kind >> 16]), report(kind), b"")


def main():
    kind, path = sys.argv[1:]
    fd = os.open(path, os.O_RDWR)
    if kind == "nvme":
        capture_nvme(fd)
    else:
        capture_scsi(fd, kind == "ata")


main()
