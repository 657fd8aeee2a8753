#!/usr/bin/python3
"""Checks that two reports agree about every zone. Fields that a tool does not report are not compared.

usage: same-zones.py REPORT REPORT [BLOCK-SIZE]

A REPORT is the output of `zonebridge report --json`, `blkzone report`, `nvme zns report-zones
-o json` or `sg_rep_zones`; the last two count in blocks of BLOCK-SIZE bytes. Prints the number of
zones, or the first difference.
"""
import json
import re
import sys

UNTOLD = object()
FIELDS = ('start', 'length', 'capacity', 'pointer', 'state', 'type')

BLKZONE_ROW = re.compile(r'start: (0x[0-9a-f]+), len (0x[0-9a-f]+), cap (0x[0-9a-f]+), '
                         r'wptr (0x[0-9a-f]+) .*zcond: *(\d+)\(..\) \[type: (\d)')
BLKZONE_STATES = {0: 'not-write-pointer', 1: 'empty', 2: 'implicit-open', 3: 'explicit-open',
                  4: 'closed', 13: 'read-only', 14: 'full', 15: 'offline'}
BLKZONE_TYPES = {1: 'conventional', 2: 'sequential-write-required',
                 3: 'sequential-write-preferred'}
NVME_STATES = {'EMPTY': 'empty', 'IMP_OPENED': 'implicit-open', 'EXP_OPENED': 'explicit-open',
               'CLOSED': 'closed', 'READONLY': 'read-only', 'FULL': 'full', 'OFFLINE': 'offline'}
SG3_STATES = {'implicitly-opened': 'implicit-open', 'explicitly-opened': 'explicit-open'}


def pointer_in(state, pointer):
    # In other states the pointer is not valid, and each tool prints something else.
    return pointer if state in ('empty', 'implicit-open', 'explicit-open', 'closed') else None


def from_zonebridge(zones):
    for zone in zones:
        yield (zone['start'], zone['length'], zone['capacity'], zone['write_pointer'],
               zone['state'], zone['type'])


def from_nvme(zones, block):
    for zone in zones:
        state = NVME_STATES[zone['state']]
        yield (zone['slba'] * block, UNTOLD, zone['cap'] * block,
               pointer_in(state, zone['wp'] * block), state, UNTOLD)


def from_blkzone(text):
    for row in BLKZONE_ROW.findall(text):
        start, length, capacity, pointer = (int(word, 16) * 512 for word in row[:4])
        state = BLKZONE_STATES[int(row[4])]
        yield (start, length, capacity, pointer_in(state, start + pointer), state,
               BLKZONE_TYPES[int(row[5])])


def from_sg3(text, block):
    for zone in re.split(r'Zone descriptor: \d+', text)[1:]:
        field = dict(re.findall(r'^\s*([A-Za-z ]+?): *(\S.*?) *$', zone, re.M))
        kind = field['Zone type'].lower().replace(' ', '-')
        # A gap zone is the end of the zone before it.
        if 'gap' in kind:
            continue
        state = re.sub('[ -]+', '-', field['Zone condition'].lower())
        state = SG3_STATES.get(state, state)
        start, length, pointer = (int(field[name], 16) * block for name in (
            'Zone start LBA', 'Zone Length', 'Write pointer LBA'))
        yield start, UNTOLD, length, pointer_in(state, pointer), state, kind


def zones_of(path, block):
    with open(path) as file:
        text = file.read()
    if text.lstrip().startswith('{'):
        document = json.loads(text)
        if 'zones' in document:
            return list(from_zonebridge(document['zones']))
        return list(from_nvme(document['zone_list'], block))
    return list(from_sg3(text, block) if 'Zone descriptor' in text else from_blkzone(text))


def main():
    block = int(sys.argv[3]) if len(sys.argv) > 3 else 512
    first, second = (zones_of(path, block) for path in sys.argv[1:3])
    for number, (one, other) in enumerate(zip(first, second)):
        for name, mine, theirs in zip(FIELDS, one, other):
            if UNTOLD not in (mine, theirs) and mine != theirs:
                sys.exit(f'zone {number}: {name} {mine} in {sys.argv[1]}, {theirs} in {sys.argv[2]}')
    if len(first) != len(second) or not first:
        sys.exit(f'{len(first)} zones in {sys.argv[1]}, {len(second)} in {sys.argv[2]}')
    print(len(first))


main()
