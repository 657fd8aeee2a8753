# The lab's kernel, QEMU and initramfs, kept in the cache folder. Source after common.sh, suite.sh.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317

zb_lab=$zb_cache/lab
zb_kernel=$zb_lab/kernel-${ZONEBRIDGE_KERNEL_SUITE:-bookworm-backports}
zb_initramfs=$zb_kernel.initramfs
# The first suite with a QEMU (11; 10.2 would do) whose vhost-user-test-device-pci carries any
# virtio device, a zoned virtio-blk one too. Its C library is newer than the machine's.
zb_newer_qemu_suite=trixie-backports
zb_qemu_suite=${ZONEBRIDGE_QEMU_SUITE:-bookworm-backports}
zb_qemu=$zb_lab/qemu-$zb_qemu_suite
zb_qemu_program=$zb_qemu/usr/bin/qemu-system-x86_64

# Modules opened at every boot; they are kept decompressed, which software emulation notices.
zb_boot_modules=(9pnet_virtio 9p overlay)
zb_usual_modules=(virtio_scsi sd_mod sg scsi_debug btrfs null_blk crc32c_intel xxhash_generic)

# Fetches what is missing. Sub-second when everything is there; concurrent runs wait.
zb_lab_prepare() {
  zb_lab_ready && return 0
  mkdir -p "$zb_lab" "$zb_cache/log"
  zb_locked "$zb_lab/lock" zb_lab_fetch
  zb_lab_ready || zb_die "the lab in $zb_lab is incomplete; remove that folder and try again"
}

zb_lab_ready() {
  [ -e "$zb_kernel/vmlinuz" ] && [ -x "$zb_qemu_program" ] && [ -e "$zb_initramfs" ] &&
    [ ! "$zb_repo/tests/guest/init" -nt "$zb_initramfs" ] &&
    [ ! "$zb_repo/scripts/lib/lab.sh" -nt "$zb_initramfs" ]
}

zb_lab_fetch() {
  # What an interrupted run left.
  rm -rf "$zb_lab"/.fetch-* "$zb_lab"/.initramfs-*
  if [ ! -e "$zb_kernel/vmlinuz" ]; then
    zb_say "lab: fetching a Linux kernel for the guest (once)"
    zb_lab_kernel "${ZONEBRIDGE_KERNEL_SUITE:-bookworm-backports}"
  fi
  if [ ! -x "$zb_qemu_program" ]; then
    zb_say "lab: fetching QEMU of $zb_qemu_suite (once)"
    zb_lab_fetch_qemu
  fi
  (zb_lab_qemu --version) >"$zb_cache/log/qemu" 2>&1 ||
    zb_die "the QEMU in $zb_qemu does not run: $(head -n 1 "$zb_cache/log/qemu")"
  zb_lab_initramfs
}

# QEMU of the machine's own release leans on its libraries. One of a newer release brings every
# library it needs, the C library too, so that it runs as if it were installed there.
zb_lab_fetch_qemu() {
  local only=''
  zb_lab_own_release || only='(lib|zlib|qemu-system-|seabios|ipxe-qemu).*'
  (zb_suite_unpack "$zb_qemu" "$zb_qemu_suite" "$only" \
    qemu-system-x86 qemu-system-common qemu-system-data seabios ipxe-qemu) || exit 1
}

# Whether QEMU comes from the release this machine runs (or its backports).
# shellcheck disable=SC1091
zb_lab_own_release() {
  [ "${zb_qemu_suite%-backports}" = "$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")" ]
}

# zb_lab_kernel SUITE: $zb_kernel gets vmlinuz (uncompressed where possible: it boots
# sooner) and lib/modules. The trixie packages split image and modules; both ways are known.
zb_lab_kernel() {
  local raw=$zb_kernel.raw image version
  rm -rf "$raw" "$zb_kernel"
  (zb_suite_unpack "$raw" "$1" 'linux-(image|binary|modules)-.*' linux-image-amd64) || exit 1
  if [ -d "$raw/usr/lib/modules" ]; then
    mkdir -p "$raw/lib/modules"
    cp -a "$raw/usr/lib/modules/." "$raw/lib/modules/"
    rm -rf "$raw/usr/lib/modules"
  fi
  image=$(find "$raw" -name 'vmlinuz*' -type f | head -n 1)
  [ -n "$image" ] || zb_die "the packages of $1 hold no kernel image"
  version=$(basename "$(find "$raw/lib/modules" -mindepth 2 -maxdepth 2 -name kernel -printf '%h\n' | head -n 1)")
  zb_lab_modules "$raw" "$version"
  printf '%s\n' "$version" >"$raw/version"
  zb_lab_unpack_image "$image" "$raw/vmlinuz"
  mv -T "$raw" "$zb_kernel"
}

# A kernel image's payload (the boot protocol's payload_offset and payload_length) is an ELF
# file that QEMU enters directly by PVH: a second less under software emulation. What is no
# such file is taken as it is.
zb_lab_unpack_image() {
  local image=$1 target=$2 sectors offset length unpack
  sectors=$(od -An -tu1 -j 0x1f1 -N 1 "$image")
  offset=$(od -An -tu4 -j 0x248 -N 4 "$image")
  length=$(od -An -tu4 -j 0x24c -N 4 "$image")
  offset=$(((sectors + 1) * 512 + offset))
  case $(od -An -tx1 -j "$offset" -N 4 "$image") in
    *'28 b5 2f fd') unpack=(zstd -dcq) ;;
    *'fd 37 7a 58') unpack=(xz -dcq) ;;
    *'1f 8b'*) unpack=(gzip -dcq) ;;
    *) unpack=(false) ;;
  esac
  # The last four bytes of the payload are its unpacked length.
  if dd if="$image" bs=1M iflag=skip_bytes,count_bytes skip="$offset" count="$((length - 4))" \
    status=none | "${unpack[@]}" >"$target" 2>/dev/null && grep -qa 'Xen' "$target"; then
    return 0
  fi
  cp "$image" "$target"
}

# Decompresses the modules in daily use and what they need, then writes modules.dep (which
# takes seconds: hence only once, and dependencies are asked from the modules until then).
zb_lab_modules() {
  local raw=$1 version=$2 todo=("${zb_boot_modules[@]}" "${zb_usual_modules[@]}") name file needs
  declare -A files=() seen=()
  while read -r file; do
    name=${file##*/}
    name=${name%.ko.xz}
    files[${name//-/_}]=$file
  done < <(find "$raw/lib/modules/$version/kernel" -name '*.ko.xz')
  while [ "${#todo[@]}" -gt 0 ]; do
    name=${todo[0]//-/_} todo=("${todo[@]:1}")
    file=${files[$name]:-}
    [ -n "$file" ] && [ -z "${seen[$name]:-}" ] || continue
    seen[$name]=1
    IFS=, read -ra needs < <(modinfo -F depends "$file") || true
    todo+=("${needs[@]}")
    xz -d -q "$file"
  done
  depmod -b "$raw" "$version" 2>"$zb_cache/log/depmod"
}

zb_lab_initramfs() {
  local work module version
  version=$(cat "$zb_kernel/version")
  work=$(mktemp -d "$zb_lab/.initramfs-XXXXXX")
  mkdir -p "$work"/tree/{bin,modules,dev}
  cp "$(command -v busybox)" "$work/tree/bin/busybox"
  for module in "${zb_boot_modules[@]}"; do
    modprobe -d "$zb_kernel" -S "$version" --show-depends --ignore-install "$module"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/list"
  while read -r module; do
    cp "$module" "$work/tree/modules/"
    basename "$module"
  done <"$work/list" >"$work/tree/modules/order"
  install -m 755 "$zb_repo/tests/guest/init" "$work/tree/init"
  (cd "$work/tree" && find . | cpio --quiet -o -H newc) >"$work/initramfs"
  mv "$work/initramfs" "$zb_initramfs"
  rm -rf "$work"
}

# zb_lab_qemu ARGUMENTS...: becomes QEMU, from the cache.
zb_lab_qemu() {
  local lib=$zb_qemu/usr/lib/x86_64-linux-gnu
  local libraries=$lib:$zb_qemu/lib/x86_64-linux-gnu run=("$zb_qemu_program")
  # Libraries of another release go with their own loader, and reach no other program.
  if zb_lab_own_release; then
    export LD_LIBRARY_PATH=$libraries
  else
    run=("$lib/ld-linux-x86-64.so.2" --library-path "$libraries" "$zb_qemu_program")
  fi
  QEMU_MODULE_DIR=$lib/qemu exec setpriv --pdeathsig KILL "${run[@]}" \
    -L "$zb_qemu/usr/share/qemu" -L "$zb_qemu/usr/share/seabios" -L "$zb_qemu/usr/lib/ipxe/qemu" "$@"
}
