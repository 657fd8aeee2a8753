# The Debian packages that the build, the lab and the tests need. Source this file after common.sh.
# shellcheck shell=bash disable=SC2034,SC2154

# For the build.
zb_packages_build=(
  g++ meson ninja-build pkg-config
  liburing-dev libsgutils2-dev libnvme-dev libnl-genl-3-dev libseccomp-dev libcli11-dev libfmt-dev nlohmann-json3-dev libexpected-dev libxxhash-dev
  libgtest-dev
)

# For the lab: tools that unpack the kernel and make the initramfs, and programs that run in the guest.
zb_packages_lab=(
  busybox-static cpio kmod xz-utils zstd        # kernel and initramfs
  util-linux sg3-utils nvme-cli fio btrfs-progs # lsblk, blkzone; sg_*; nvme; fio; mkfs.btrfs
  dmsetup strace                                # device mapper; which system calls move data
  ovmf mtools dosfstools                        # UEFI firmware, and a disk that it boots from
)

# For the tests: a second compiler with its sanitizer runtime, and the format checker.
zb_packages_test=(
  clang libclang-rt-14-dev clang-format-14 git
)

zb_missing_packages() {
  local wanted=("$@") package
  declare -A present=()
  while read -r package; do
    present[$package]=1
  done < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
    sed -n 's/^installed //p')
  for package in "${wanted[@]}"; do
    [ -n "${present[$package]:-}" ] || printf '%s\n' "$package"
  done
}

# zb_install PACKAGE...: installs those packages that are missing. Needs root only if there are any.
zb_install() {
  local missing=() as_root=() apt
  mapfile -t missing < <(zb_missing_packages "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  apt=(apt-get install --yes --no-install-recommends "${missing[@]}")
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      zb_die "packages are missing and installing them needs root; please run: ${apt[*]}"
    as_root=(sudo)
  fi
  zb_say "installing ${#missing[@]} packages: ${missing[*]}"
  as_root+=(env DEBIAN_FRONTEND=noninteractive)
  # apt's lists may name versions that the archive no longer has: refresh the lists and try again.
  zb_apt_knows "${missing[@]}" ||
    zb_quietly "$zb_cache/log/apt-update" "${as_root[@]}" apt-get update
  if ! "${as_root[@]}" "${apt[@]}" >"$zb_cache/log/apt-install" 2>&1 </dev/null; then
    zb_quietly "$zb_cache/log/apt-update" "${as_root[@]}" apt-get update
    zb_quietly "$zb_cache/log/apt-install" "${as_root[@]}" "${apt[@]}"
  fi
}

zb_apt_knows() {
  mkdir -p "$zb_cache/log"
  apt-get --simulate --no-install-recommends install "$@" >/dev/null 2>&1 </dev/null
}
