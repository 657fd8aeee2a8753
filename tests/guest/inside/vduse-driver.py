#!/usr/bin/env python3
"""A virtio-blk driver in user space, by /dev/vhost-vdpa-0, that does to a VDUSE device what no kernel
driver does. Written from linux/vhost.h and the virtio standard. Prints PASS: and FAIL: lines.

usage: vduse-driver.py SERVER FILE

At the end, kills the process SERVER, and then creates FILE to ask for another server.
"""
import ctypes
import fcntl
import mmap
import os
import select
import struct
import sys
import time

READ, WRITE = 2, 1


def ioc(direction, number, size):
    return direction << 30 | size << 16 | 0xAF << 8 | number


SET_OWNER = ioc(0, 0x01, 0)
GET_FEATURES, SET_FEATURES = ioc(READ, 0x00, 8), ioc(WRITE, 0x00, 8)
SET_VRING_NUM, SET_VRING_ADDR = ioc(WRITE, 0x10, 8), ioc(WRITE, 0x11, 40)
SET_VRING_BASE, GET_VRING_BASE = ioc(WRITE, 0x12, 8), ioc(READ | WRITE, 0x12, 8)
SET_VRING_KICK, SET_VRING_CALL = ioc(WRITE, 0x20, 8), ioc(WRITE, 0x21, 8)
SET_BACKEND_FEATURES = ioc(WRITE, 0x25, 8)
GET_STATUS, SET_STATUS = ioc(READ, 0x71, 1), ioc(WRITE, 0x72, 1)
SET_VRING_ENABLE = ioc(WRITE, 0x75, 8)

FLUSH, CONFIG_WCE, ZONED = 1 << 9, 1 << 11, 1 << 17
VERSION_1, PLATFORM = 1 << 32, 1 << 33
GOOD = VERSION_1 | PLATFORM | ZONED | FLUSH
IN, OUT = 0, 1

SIZE = 8  # descriptors
RING, DATA, ELSEWHERE, ROM = 0x100000, 0x200000, 0x240000, 0x300000
# Offsets in the ring's memory.
AVAILABLE, USED, HEADER, STATUS = 0x100, 0x200, 0x1000, 0x1100
failures = 0


def check(what, good, seen=""):
    global failures
    failures += not good
    print(("PASS: " if good else "FAIL: ") + what + ("" if good else f": {seen}"), flush=True)


class Memory:
    SIZE = 0x10000

    def __init__(self):
        self.fd = os.memfd_create("guest")
        os.ftruncate(self.fd, self.SIZE)
        self.bytes = mmap.mmap(self.fd, self.SIZE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.bytes))


class Device:
    def __init__(self, ring):
        self.ring = ring.bytes
        self.fd = os.open("/dev/vhost-vdpa-0", os.O_RDWR)
        fcntl.ioctl(self.fd, SET_OWNER)
        fcntl.ioctl(self.fd, SET_BACKEND_FEATURES, struct.pack("Q", 1 << 1))  # IOTLB messages, v2

    def features(self):
        return struct.unpack("Q", fcntl.ioctl(self.fd, GET_FEATURES, bytes(8)))[0]

    def status(self):
        return fcntl.ioctl(self.fd, GET_STATUS, b"\0")[0]

    def set_status(self, value):
        try:
            fcntl.ioctl(self.fd, SET_STATUS, bytes([value]))
        except OSError:
            pass  # the caller reads the status

    def negotiate(self, features):
        for status in (0, 1, 3):
            self.set_status(status)
        fcntl.ioctl(self.fd, SET_FEATURES, struct.pack("Q", features))
        self.set_status(11)
        return self.status() & 8 != 0

    def tell_map(self, kind, iova, size, address, access):
        message = struct.pack("<II", 2, 0) + struct.pack("<QQQBB", iova, size, address, access, kind)
        os.write(self.fd, message.ljust(72, b"\0"))

    def map(self, iova, memory, access=3):
        self.tell_map(2, iova, memory.SIZE, memory.address, access)

    def unmap(self, iova, memory):
        self.tell_map(3, iova, memory.SIZE, 0, 0)

    def start(self, features=GOOD, late=False):
        """Resets the device and starts the queue. With `late` the queue is enabled only after DRIVER_OK."""
        self.ring[0:HEADER] = bytes(HEADER)
        if not self.negotiate(features):
            return False
        self.kick, self.call = os.eventfd(0), os.eventfd(0)
        self.available = self.used = 0
        for request, data in (
            (SET_VRING_NUM, struct.pack("II", 0, SIZE)),
            (SET_VRING_BASE, struct.pack("II", 0, 0)),
            (SET_VRING_ADDR, struct.pack("IIQQQQ", 0, 0, RING, RING + USED, RING + AVAILABLE, 0)),
            (SET_VRING_KICK, struct.pack("Ii", 0, self.kick)),
            (SET_VRING_CALL, struct.pack("Ii", 0, self.call)),
        ):
            fcntl.ioctl(self.fd, request, data)
        if not late:
            self.enable()
        self.set_status(15)
        if late:
            self.enable()
        return True

    def enable(self):
        fcntl.ioctl(self.fd, SET_VRING_ENABLE, struct.pack("II", 0, 1))

    def answer(self, seconds):
        """The status of the request in the ring, or None if there is no answer in time."""
        end = time.time() + seconds
        while time.time() < end:
            if self.ring[USED + 2 : USED + 4] == struct.pack("<H", (self.used + 1) & 0xFFFF):
                self.used += 1
                return self.ring[STATUS]
            time.sleep(0.01)
        return None

    def run(self, kind, sector, data, length, seconds=20):
        self.ring[HEADER : HEADER + 16] = struct.pack("<IIQ", kind, 0, sector)
        self.ring[STATUS] = 0xEE
        chain = (
            (RING + HEADER, 16, 1, 1),
            (data, length, 1 | (2 if kind == IN else 0), 2),
            (RING + STATUS, 1, 2, 0),
        )
        for i, descriptor in enumerate(chain):
            self.ring[16 * i : 16 * i + 16] = struct.pack("<QIHH", *descriptor)
        entry = AVAILABLE + 4 + 2 * (self.available % SIZE)
        self.ring[entry : entry + 2] = bytes(2)
        self.available += 1
        self.ring[AVAILABLE + 2 : AVAILABLE + 4] = struct.pack("<H", self.available & 0xFFFF)
        os.eventfd_write(self.kick, 1)
        return self.answer(seconds)


server, again = int(sys.argv[1]), sys.argv[2]
ring, data, rom = Memory(), Memory(), Memory()
device = Device(ring)
offered = device.features()
check("the device offers ZONED and ACCESS_PLATFORM", offered & ZONED and offered & PLATFORM, hex(offered))
check("the device does not offer CONFIG_WCE", not offered & CONFIG_WCE, hex(offered))
check("a driver without ZONED is refused", not device.negotiate(GOOD & ~ZONED), device.status())
check("a driver without ACCESS_PLATFORM is refused", not device.negotiate(GOOD & ~PLATFORM), device.status())
check("a legacy driver is refused", not device.negotiate(GOOD & ~VERSION_1), device.status())

device.map(RING, ring)
device.map(DATA, data)
device.map(ROM, rom, 1)
check("a driver that accepts the needed features starts", device.start(), device.status())
data.bytes[0:512] = b"\xaa" * 512
check("a read", device.run(IN, 0, DATA, 512) == 0 and data.bytes[0:512] == bytes(512))
rom.bytes[0:4096] = b"R" * 4096
check("a write from read-only memory", device.run(OUT, 0, ROM, 4096) == 0)
check("the written data reads back", device.run(IN, 0, DATA, 4096) == 0 and data.bytes[0:4096] == b"R" * 4096)
check("the device interrupts", bool(select.select([device.call], [], [], 20)[0]))

device.unmap(DATA, data)
device.map(ELSEWHERE, data)
data.bytes[0:512] = bytes(512)
check("a read into memory that moved", device.run(IN, 0, ELSEWHERE, 512) == 0 and data.bytes[0:4] == b"RRRR")
check("a buffer outside the memory gets no answer", device.run(IN, 0, DATA, 512, 1) is None)
check("requests after that fault get no answer", device.run(IN, 0, ELSEWHERE, 512, 1) is None)
check("the device works after a reset", device.start() and device.run(IN, 0, ELSEWHERE, 512) == 0)
check("read-only memory is not written", device.run(IN, 8, ROM, 512, 1) is None and rom.bytes[0:4] == b"RRRR")
check("the device works after another reset", device.start() and device.run(IN, 0, ELSEWHERE, 512) == 0)
check("a queue that is enabled after DRIVER_OK works", device.start(late=True) and device.run(IN, 0, ELSEWHERE, 512) == 0)
base = struct.unpack("II", fcntl.ioctl(device.fd, GET_VRING_BASE, struct.pack("II", 0, 0)))[1]
check("the kernel knows the queue's index", base == 1, base)
check("the queue continues from that index", device.run(IN, 0, ELSEWHERE, 512) == 0)

os.kill(server, 9)
time.sleep(0.5)
check("a killed server gives no answer", device.run(OUT, 16, ELSEWHERE, 512, 1) is None)
open(again, "w").close()
status = device.answer(60)
check("the next server answers the waiting request", status == 0, status)
check("the next server answers later requests", device.run(IN, 16, ELSEWHERE, 512) == 0 and data.bytes[0:4] == b"RRRR")
device.set_status(0)
sys.exit(failures != 0)
