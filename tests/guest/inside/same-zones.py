#!/usr/bin/env python3
"""Whether zonebridge and blkzone report the same of every zone.

usage: same-zones.py ZONEBRIDGE-JSON BLKZONE-REPORT

Prints the number of zones, or the first ones that differ.
"""
import json
import re
import sys

ROW = re.compile(r'start: (0x[0-9a-f]+), len (0x[0-9a-f]+), cap (0x[0-9a-f]+), '
                 r'wptr (0x[0-9a-f]+) .*zcond: *(\d+)\(..\) \[type: (\d)')
STATES = {0: 'not-write-pointer', 1: 'empty', 2: 'implicit-open', 3: 'explicit-open',
          4: 'closed', 13: 'read-only', 14: 'full', 15: 'offline'}
TYPES = {1: 'conventional', 2: 'sequential-write-required', 3: 'sequential-write-preferred'}


def theirs(text):
    for row in ROW.findall(text):
        start, length, capacity, pointer = (int(word, 16) * 512 for word in row[:4])
        state = STATES[int(row[4])]
        # Elsewhere a pointer means nothing, and blkzone prints whatever there is.
        known = state in ('empty', 'implicit-open', 'explicit-open', 'closed')
        yield (start, length, capacity, start + pointer if known else None, state,
               TYPES[int(row[5])])


def ours(text):
    for zone in json.loads(text)['zones']:
        yield (zone['start'], zone['length'], zone['capacity'], zone['write_pointer'],
               zone['state'], zone['type'])


def main():
    with open(sys.argv[1]) as file:
        mine = list(ours(file.read()))
    with open(sys.argv[2]) as file:
        other = list(theirs(file.read()))
    for a, b in zip(mine, other):
        if a != b:
            sys.exit(f'zonebridge {a}\nblkzone    {b}')
    if len(mine) != len(other) or not mine:
        sys.exit(f'{len(mine)} zones against {len(other)}')
    print(len(mine))


main()
