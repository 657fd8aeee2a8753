#!/usr/bin/env python3
"""Checks the rules of strict conformance suites for ZBC disks on /dev/sgN, by SG_IO: the sense of each
refusal, and the condition and write pointer of a zone after each command.

usage: conformance.py DEVICE...

Prints PASS: and FAIL: lines, each with the disk's block format and URSWRZ.
"""
import ctypes
import fcntl
import os
import sys

SG_IO = 0x2285
NONE, OUT, IN = -1, -2, -3
OPEN, CLOSE, FINISH, RESET = 3, 1, 2, 4
NAMES = {OPEN: "OPEN", CLOSE: "CLOSE", FINISH: "FINISH", RESET: "RESET"}
EM, IO, EO, CL, FU = 1, 2, 3, 4, 14
PIECE = 128 << 10


class Header(ctypes.Structure):
    _fields_ = [("interface_id", ctypes.c_int), ("direction", ctypes.c_int),
                ("cdb_length", ctypes.c_ubyte), ("sense_room", ctypes.c_ubyte),
                ("segments", ctypes.c_ushort), ("length", ctypes.c_uint),
                ("data", ctypes.c_void_p), ("cdb", ctypes.c_void_p), ("sense", ctypes.c_void_p),
                ("timeout", ctypes.c_uint), ("flags", ctypes.c_uint), ("id", ctypes.c_int),
                ("user", ctypes.c_void_p), ("status", ctypes.c_ubyte), ("masked", ctypes.c_ubyte),
                ("message", ctypes.c_ubyte), ("sense_length", ctypes.c_ubyte),
                ("host", ctypes.c_ushort), ("driver", ctypes.c_ushort), ("residual", ctypes.c_int),
                ("duration", ctypes.c_uint), ("info", ctypes.c_uint)]


class Disk:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR)
        for _ in range(8):  # unit attentions of a new disk
            if self.run(bytes(6))[0] == "good":
                break
        capacity = self.run(bytes([0x9E, 0x10] + [0] * 11 + [32, 0, 0]), room=32)[1]
        self.end = int.from_bytes(capacity[0:8], "big") + 1
        self.block = int.from_bytes(capacity[8:12], "big")
        self.per_physical = 1 << (capacity[13] & 15)
        page = self.run(bytes([0x12, 1, 0xB6, 0, 64, 0]), room=64)[1]
        self.unrestricted = bool(page[4] & 1)
        self.max_open = int.from_bytes(page[16:20], "big")
        self.zones = self.report(0, 512)
        sequential = [zone for zone in self.zones if zone[0] == 2]
        self.first = sequential[0][2]
        self.size = sequential[0][3]
        self.a, self.b = sequential[2][2], sequential[3][2]
        self.others = [zone[2] for zone in sequential[5:]]
        self.name = "%s %d" % ("512e" if self.block == 512 else "4Kn", self.unrestricted)

    def run(self, cdb, out=None, room=0):
        """'good', or the sense as KEY/ASC/ASCQ; and the data that was read."""
        head = Header(interface_id=ord("S"), cdb_length=len(cdb), sense_room=64, timeout=20000)
        command = ctypes.create_string_buffer(cdb, len(cdb))
        sense = ctypes.create_string_buffer(64)
        data = ctypes.create_string_buffer(out, len(out)) if out else ctypes.create_string_buffer(max(room, 1))
        head.direction = OUT if out else IN if room else NONE
        head.length = len(out) if out else room
        head.data, head.cdb, head.sense = (ctypes.addressof(one) for one in (data, command, sense))
        fcntl.ioctl(self.fd, SG_IO, head)
        if head.status == 0 and head.host == 0:
            return "good", data.raw
        if head.status != 2:
            return "status %d host %d" % (head.status, head.host), b""
        raw = sense.raw
        key, code, qualifier = ((raw[1], raw[2], raw[3]) if raw[0] & 0x7F >= 0x72 else (raw[2] & 15, raw[12], raw[13]))
        return "%X/%02X/%02X" % (key, code, qualifier), b""

    def cdb16(self, opcode, lba, blocks, flags=0):
        return bytes([opcode, flags]) + lba.to_bytes(8, "big") + blocks.to_bytes(4, "big") + bytes(2)

    def read(self, lba, blocks):
        return self.run(self.cdb16(0x88, lba, blocks, 0x10), room=blocks * self.block)[0]

    def write(self, lba, blocks):
        """Writes in pieces, because one command can't write a whole zone."""
        most = PIECE // self.block
        while True:
            part = min(blocks, most)
            words = self.run(self.cdb16(0x8A, lba, part, 0x10), out=bytes(part * self.block) or None)[0]
            blocks -= part
            lba += part
            if words != "good" or blocks == 0:
                return words

    def act(self, action, lba, every=False):
        return self.run(self.cdb16(0x94, lba, 0, action)[:14] + bytes([int(every), 0]))[0]

    def report(self, lba, count, options=0):
        """(type, condition, start, length, write pointer) of each zone, or the sense."""
        words, raw = self.run(self.cdb16(0x95, lba, 64 * (count + 1))[:14] + bytes([0x80 | options, 0]), room=64 * (count + 1))
        if words != "good":
            return words
        listed = min(count, int.from_bytes(raw[0:4], "big") // 64)
        fields = (raw[64 * i:64 * i + 64] for i in range(1, listed + 1))
        return [(one[0] & 15, one[1] >> 4, int.from_bytes(one[16:24], "big"), int.from_bytes(one[8:16], "big"),
                 int.from_bytes(one[24:32], "big")) for one in fields]

    def condition(self, lba):
        return self.report(lba, 1)[0][1]

    def pointer(self, lba):
        return self.report(lba, 1)[0][4] - lba

    def bring(self, lba, be):
        p = self.per_physical
        steps = {
            "empty": [], "full": [lambda: self.write(lba, self.size)],
            "implicit": [lambda: self.write(lba, p)],
            "high": [lambda: self.write(lba, self.size - p)],
            "opened": [lambda: self.act(OPEN, lba)],
            "opened written": [lambda: self.write(lba, p), lambda: self.act(OPEN, lba)],
            "closed": [lambda: self.write(lba, p), lambda: self.act(CLOSE, lba)],
        }[be]
        for step in [lambda: self.act(RESET, lba)] + steps:
            words = step()
            if words != "good":
                return self.equal("a zone becomes " + be, "good", words)

    def equal(self, what, expected, got):
        global failures
        if expected == got:
            print("PASS: %s: %s" % (self.name, what))
        else:
            failures += 1
            print("FAIL: %s: %s\n      expected: %s\n      got:      %s" % (self.name, what, expected, got))


def senses(disk):
    p, size, a, b = disk.per_physical, disk.size, disk.a, disk.b
    conventional = disk.first - disk.size  # the last one
    for option in (0, 1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0x11, 0x3E, 0x3F):
        disk.equal("report %02x" % option, list, type(disk.report(0, 8, option)))
    disk.equal("report from inside a zone", 0, disk.report(1, 1)[0][2])
    disk.equal("report of a reserved option", "5/24/00", disk.report(0, 8, 0x2A))
    disk.equal("report beyond the end", "5/21/00", disk.report(disk.end, 8))
    for action, name in NAMES.items():
        disk.equal(name + " of no zone's start", "5/24/00", disk.act(action, a + 1))
        disk.equal(name + " of a conventional zone", "5/24/00", disk.act(action, conventional))
        disk.equal(name + " at the end", "5/21/00", disk.act(action, disk.end))
        disk.equal(name + " ALL with any zone id", "good", disk.act(action, disk.end + 1, True))
    disk.act(RESET, 0, True)

    for before, at in (("empty", 0), ("closed", p)):
        disk.bring(a, before)
        for lba in disk.others[:disk.max_open]:
            disk.bring(lba, "opened")
        words = "7/55/0E"
        disk.equal("OPEN, %s, resources used" % before, words, disk.act(OPEN, a))
        disk.equal("WRITE, %s, resources used" % before, words, disk.write(a + at, p))
        disk.equal("FINISH, %s, resources used" % before, words, disk.act(FINISH, a))
        disk.equal("WRITE, conventional, resources used", "good", disk.write(conventional, p))
        disk.act(RESET, 0, True)
    for lba in disk.others[:disk.max_open + 1]:
        disk.bring(lba, "closed")
    disk.equal("OPEN ALL over the limit", "7/55/0E", disk.act(OPEN, 0, True))
    disk.equal("OPEN ALL over the limit opens no zone", {CL}, {disk.condition(lba) for lba in disk.others[:disk.max_open + 1]})
    disk.act(RESET, 0, True)

    past = "good" if disk.unrestricted else "5/21/06"
    disk.bring(a, "implicit")
    disk.equal("READ up to the pointer", "good", disk.read(a, p))
    disk.equal("READ across the pointer", past, disk.read(a, p + 1))
    disk.equal("READ at the pointer", past, disk.read(a + p, 1))
    disk.equal("READ behind the pointer", past, disk.read(a + p + 1, 1))
    across = "good" if disk.unrestricted else "5/21/07"
    for first, second, before, blocks in (("full", "empty", 1, 2), ("full", "full", 1, 2), ("full", "implicit", 1, p + 2),
                                          ("full", "implicit", 1, 2), ("high", "full", p + 1, p + 2), ("implicit", "full", 1, 2)):
        disk.bring(a, first)
        disk.bring(b, second)
        disk.equal("READ %s to %s" % (first, second), across, disk.read(b - before, blocks))
    disk.equal("READ conventional to conventional", "good", disk.read(conventional - 1, 2))
    for be in ("empty", "full"):
        disk.bring(disk.first, be)
        disk.equal("READ conventional to " + be, "5/21/06", disk.read(disk.first - 1, 2))
    disk.equal("READ over the end", "5/21/00", disk.read(disk.end - 1, 2))

    for before, at, blocks in (("empty", p, p), ("implicit", 0, p), ("implicit", 0, 2 * p), ("implicit", 2 * p, p),
                               ("implicit", p + 1, 8), ("closed", 0, p), ("opened", p, p)):
        disk.bring(a, before)
        there = disk.condition(a), disk.pointer(a)
        disk.equal("WRITE %s, at %d" % (before, at), "5/21/04", disk.write(a + at, blocks))
        disk.equal("WRITE %s, at %d, changes nothing" % (before, at), there, (disk.condition(a), disk.pointer(a)))
    if p > 1:
        disk.bring(a, "empty")
        disk.equal("WRITE of half a physical block", "5/21/04", disk.write(a, p // 2))
    else:
        print("SKIP: %s: WRITE of half a physical block (physical and logical blocks have the same size)" % disk.name)
    for first, second, before, blocks in (("full", "implicit", p, 3 * p), ("full", "implicit", p, 2 * p), ("high", "full", p + 1, p + 2),
                                          ("high", "full", p, 2 * p), ("implicit", "full", p, 2 * p), ("full", "empty", p, 2 * p),
                                          ("empty", "empty", p, 2 * p), ("high", "empty", p, 2 * p)):
        disk.bring(a, first)
        disk.bring(b, second)
        disk.equal("WRITE %s to %s" % (first, second), "5/21/05", disk.write(b - before, blocks))
    disk.equal("WRITE conventional to sequential", "5/21/05", disk.write(disk.first - p, 2 * p))
    disk.bring(a, "full")
    disk.equal("WRITE to a full zone", "5/24/00", disk.write(a, p))


def conditions(disk):
    p, a = disk.per_physical, disk.a
    for before, one, every in (("empty", (EO, EM, FU, EM), (EM, EM, EM, EM)), ("implicit", (EO, CL, FU, EM), (IO, CL, FU, EM)),
                               ("opened", (EO, EM, FU, EM), (EO, EM, FU, EM)), ("opened written", (EO, CL, FU, EM), (EO, CL, FU, EM)),
                               ("closed", (EO, CL, FU, EM), (EO, CL, FU, EM)), ("full", (FU, FU, FU, EM), (FU, FU, FU, EM))):
        for action, after, after_all in zip((OPEN, CLOSE, FINISH, RESET), one, every):
            for everything, expected in ((False, after), (True, after_all)):
                disk.bring(a, before)
                words = disk.act(action, 0 if everything else a, everything)
                disk.equal("%s%s, %s" % (NAMES[action], " ALL" if everything else "", before), ("good", expected),
                           (words, disk.condition(a)))
    rest = disk.size - p
    for before, at, blocks, after in (("empty", 0, p, IO), ("empty", 0, disk.size, FU), ("implicit", p, p, IO), ("implicit", p, rest, FU),
                                      ("opened", 0, p, EO), ("opened", 0, 0, EO), ("opened", 0, disk.size, FU),
                                      ("closed", p, p, IO), ("closed", p, rest, FU)):
        disk.bring(a, before)
        words = disk.write(a + at, blocks)
        disk.equal("WRITE of %d, %s" % (blocks, before), ("good", after), (words, disk.condition(a)))
    disk.act(RESET, 0, True)


failures = 0
for path in sys.argv[1:]:
    disk = Disk(path)
    senses(disk)
    conditions(disk)
sys.exit(failures != 0)
