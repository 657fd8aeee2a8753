# Helpers for scripts in the lab guest: null_blk disks, and Linux's own NVMe target, which offers them as
# namespaces by nvme-loop and nvme-tcp. Source this file after lib.sh, which has until_there.
# shellcheck shell=bash

nvmet_config=/sys/kernel/config/nvmet
nullb_config=/sys/kernel/config/nullb

need_configfs() {
  modprobe configfs
  mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
}

# make_nullb NAME [ATTRIBUTE=VALUE...]: makes a null_blk disk /dev/NAME with its data in memory. The
# attributes are null_blk's own; size and zone_size are in MiB.
make_nullb() {
  local folder=$nullb_config/$1 pair
  need_configfs
  modprobe null_blk nr_devices=0 || return 1
  mkdir "$folder" || return 1
  shift
  for pair in memory_backed=1 "$@"; do
    echo "${pair#*=}" >"$folder/${pair%%=*}" || return 1
  done
  echo 1 >"$folder/power"
}

# nvmet_offer NQN BLOCK-DEVICE: makes a subsystem with this device as its namespace 1. The limits of
# transfers and appends are the block device's.
nvmet_offer() {
  local subsystem=$nvmet_config/subsystems/$1
  need_configfs
  modprobe nvmet || return 1
  mkdir "$subsystem" "$subsystem/namespaces/1" || return 1
  echo 1 >"$subsystem/attr_allow_any_host"
  echo -n "$2" >"$subsystem/namespaces/1/device_path" || return 1
  echo 1 >"$subsystem/namespaces/1/enable"
}

# nvmet_port loop|tcp NQN...: offers the subsystems by loop or TCP.
nvmet_port() {
  local transport=$1 number port nqn
  shift
  case $transport in
    loop) number=1; modprobe nvme_loop || return 1 ;;
    tcp) number=2; modprobe -a nvmet_tcp nvme_tcp || return 1; busybox ip link set lo up ;;
    *) return 1 ;;
  esac
  port=$nvmet_config/ports/$number
  if [ ! -d "$port" ]; then
    mkdir "$port" || return 1
    if [ "$transport" = tcp ]; then
      echo ipv4 >"$port/addr_adrfam"
      echo 127.0.0.1 >"$port/addr_traddr"
      echo 4420 >"$port/addr_trsvcid"
    fi
    echo "$transport" >"$port/addr_trtype" || return 1
  fi
  for nqn in "$@"; do
    ln -s "$nvmet_config/subsystems/$nqn" "$port/subsystems/$nqn" || return 1
  done
}

# nvmet_connect loop|tcp NQN: connects as a host, and prints the namespace's generic node, /dev/ngXnY.
nvmet_connect() {
  local address=()
  [ "$1" != tcp ] || address=(-a 127.0.0.1 -s 4420)
  nvme connect -t "$1" "${address[@]}" -n "$2" --hostnqn nqn.2014-08.org.nvmexpress:uuid:5a627269-6467-4000-8000-000000000001 \
    --hostid 5a627269-6467-4000-8000-000000000001 >/dev/null || return 1
  until_there 20 nvmet_node "$2" >/dev/null || return 1
  nvmet_node "$2"
}
nvmet_disconnect() { nvme disconnect -n "$1" >/dev/null; }

# nvmet_node NQN: the generic node of the subsystem's namespace, with or without multipathing.
nvmet_node() {
  local generic
  for generic in /sys/class/nvme-generic/ng*; do
    [ "$(cat "$generic"/device/subsysnqn "$generic"/device/../subsysnqn 2>/dev/null | head -n 1)" = "$1" ] || continue
    [ -c "/dev/${generic##*/}" ] || continue
    printf '/dev/%s\n' "${generic##*/}"
    return 0
  done
  return 1
}

# find_namespace SERIAL: the first namespace of the PCI controller with that serial number; sets
# generic, block and pci.
find_namespace() {
  local controller
  for controller in /sys/class/nvme/nvme*; do
    [ "$(tr -d ' ' <"$controller/serial")" = "$1" ] || continue
    generic=/dev/$(basename "$(ls -d "$controller"/ng*n1 2>/dev/null | head -n 1)")
    # With multipathing the nodes belong to the subsystem.
    [ -c "$generic" ] || generic=$(nvmet_node "$(cat "$controller/subsysnqn")")
    # shellcheck disable=SC2034
    block=/dev/nvme${generic#/dev/ng} pci=$(readlink -f "$controller/device")
    [ -c "$generic" ] && return 0
  done
  return 1
}
