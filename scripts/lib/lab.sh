# The lab's kernel, QEMU and initramfs, in the cache folder. Source this file after common.sh and suite.sh.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317

zb_lab=$zb_cache/lab
zb_kernel=$zb_lab/kernel-${ZONEBRIDGE_KERNEL_SUITE:-bookworm-backports}
zb_initramfs=$zb_kernel.initramfs
zb_qemu_suite=${ZONEBRIDGE_QEMU_SUITE:-bookworm-backports}
zb_qemu=$zb_lab/qemu-$zb_qemu_suite
zb_qemu_program=$zb_qemu/usr/bin/qemu-system-x86_64

# Modules for every boot, and modules that many tests load. They are stored decompressed, because
# decompressing them takes long under software emulation.
zb_boot_modules=(9pnet_virtio 9p overlay)
zb_usual_modules=(virtio_scsi sd_mod sg scsi_debug btrfs null_blk crc32c_intel xxhash_generic)

# Fetches the missing parts of the lab. Takes less than a second if nothing is missing; concurrent runs
# wait for each other.
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
  # Left behind by an interrupted run.
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

# A QEMU of the machine's own release uses the machine's libraries. With a QEMU of another release, all
# libraries that it needs are fetched too, including the C library.
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

# zb_lab_kernel SUITE: fetches vmlinuz (uncompressed where possible, because it boots sooner) and
# lib/modules into $zb_kernel. In trixie, image and modules are separate packages; both forms work.
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

# The payload of a kernel image (payload_offset and payload_length of the boot protocol) is an ELF file.
# QEMU can start that file directly by PVH, which saves a second under software emulation. If the payload
# can't be unpacked, the image itself is used.
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

# Decompresses the modules listed above and those they depend on, then writes modules.dep. depmod takes
# seconds, so it runs only once, at the end; until then modinfo tells the dependencies.
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

# zb_lab_qemu ARGUMENTS...: replaces this process with the QEMU of the cache.
zb_lab_qemu() {
  local lib=$zb_qemu/usr/lib/x86_64-linux-gnu
  local libraries=$lib:$zb_qemu/lib/x86_64-linux-gnu run=("$zb_qemu_program")
  # Libraries of another release need that release's loader. LD_LIBRARY_PATH would give them to every
  # program that QEMU starts.
  if zb_lab_own_release; then
    export LD_LIBRARY_PATH=$libraries
  else
    run=("$lib/ld-linux-x86-64.so.2" --library-path "$libraries" "$zb_qemu_program")
  fi
  QEMU_MODULE_DIR=$lib/qemu exec setpriv --pdeathsig KILL "${run[@]}" \
    -L "$zb_qemu/usr/share/qemu" -L "$zb_qemu/usr/share/seabios" -L "$zb_qemu/usr/lib/ipxe/qemu" "$@"
}
