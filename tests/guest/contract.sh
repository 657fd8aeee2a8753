#!/bin/bash
# The contract suite on every real transport: scsi_debug, null_blk, ZNS, NVMe over loop and TCP.
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "runs on devices of its own"
build=$(cd "$(dirname "$zonebridge")/.." && pwd -P)
contract=$build/tests/contract/contract_test
[ -x "$contract" ] || give_up "the contract suite is built" "there is no $contract"
log=${ZONEBRIDGE_CACHE:-$here/../../.cache}/log
mkdir -p "$work/shared" "$log"
rows=$work/shared/rows
: >"$rows"

# Three namespaces: one for which Linux has a block device, one whose zone size is not a power of two,
# and one that QEMU removes during the test.
namespaces=()
# namespace NUMBER SIZE PROPERTIES [BUS]
namespace() {
  truncate -s "$2" "$work/ns$1"
  namespaces+=(
    --qemu-arg -blockdev --qemu-arg "driver=file,filename=$work/ns$1,node-name=ns$1"
    --qemu-arg -device --qemu-arg "nvme,id=nvme$1,serial=ZB-NS-$1${4:+,bus=$4}"
    --qemu-arg -device --qemu-arg "nvme-ns,drive=ns$1,bus=nvme$1,zoned=on,$3")
}
namespace 0 48M zoned.zone_size=2M,zoned.zone_capacity=1M,zoned.max_open=4,zoned.max_active=6
namespace 1 48M zoned.zone_size=3M,zoned.zone_capacity=3M,zoned.max_open=5,zoned.max_active=5
namespaces+=(--qemu-arg -device --qemu-arg pcie-root-port,id=port2,slot=2,chassis=2)
namespace 2 32M zoned.zone_size=2M,zoned.zone_capacity=2M port2

# pull_out: when the guest creates the file "pull", makes QEMU remove the third controller.
pull_out() {
  exec setpriv --pdeathsig KILL python3 - "$work/monitor" "$work/shared/pull" <<'PYTHON'
import json, os, socket, sys, time
while not os.path.exists(sys.argv[2]):
    if not os.path.exists(os.path.dirname(sys.argv[2])):
        sys.exit()
    time.sleep(0.05)
monitor = socket.socket(socket.AF_UNIX)
monitor.connect(sys.argv[1])
stream = monitor.makefile('rw')
stream.readline()
for command in ({'execute': 'qmp_capabilities'},
                {'execute': 'device_del', 'arguments': {'id': 'nvme2'}}):
    stream.write(json.dumps(command) + '\n')
    stream.flush()
    print(stream.readline().strip())
PYTHON
}
pull_out >"$work/pulled" 2>&1 &
puller=$!
trap 'kill "$puller" 2>/dev/null; host_cleanup' EXIT

common=(--share "$work/shared" --env "ZB_CONTRACT=$contract" --env "ZB_SHARED=$work/shared"
  --env "ZONEBRIDGE=$zonebridge" --env "ZB_ONLY=${ZB_ONLY:-}" --memory 1536M)
in_guest contract "${common[@]}" "${namespaces[@]}" --monitor "$work/monitor" --timeout 600

# SCSI commands in io_uring need a newer kernel than the machine's own release has.
if [ -z "${ZB_SKIP_NEWER:-}" ] && ZONEBRIDGE_KERNEL_SUITE=trixie-backports "$here/run" --prepare >"$work/newer" 2>&1; then
  ZONEBRIDGE_KERNEL_SUITE=trixie-backports in_guest contract-uring "${common[@]}" --timeout 300
else
  skipped "SCSI commands by io_uring" \
    "$([ -n "${ZB_SKIP_NEWER:-}" ] && echo "ZB_SKIP_NEWER is set" || tail -n 1 "$work/newer")"
fi

"$here/../contract/table" "$rows" | tee "$log/contract-table"
finish
