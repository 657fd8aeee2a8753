# Unpacks packages of another Debian suite into a folder of the cache. Nothing is installed, and the
# machine's own apt configuration is only read. Source this file after common.sh.
# shellcheck shell=bash disable=SC2034,SC2154

# zb_suite_stanza SUITE: a deb822 stanza for SUITE in the Debian archive that this machine uses.
zb_suite_stanza() {
  local codename entry uri origin file nr options suites
  # shellcheck disable=SC1091
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  entry=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI) $(SOURCESENTRY) $(CODENAME)' \
    'Created-By: Packages' 'Component: main' |
    awk -v want="$codename" '$1 == want || $4 == want { print; exit }')
  read -r _ uri origin _ <<<"$entry"
  [ -n "${uri:-}" ] ||
    zb_die "apt has no source for Debian $codename main; the lab takes its kernel and QEMU from there"
  file=${origin%:*} nr=${origin##*:}
  case $file in
    *.sources) options=$(awk -v nr="$nr" 'BEGIN { RS = ""; FS = "\n" }
        NR == nr { for (i = 1; i <= NF; i++) print $i }' "$file" |
      awk '/^[^ \t#]/ { keep = tolower($0) ~ /^(signed-by|trusted|check-valid-until|check-date):/ }
        /^#/ { next } keep') ;;
    *) options=$(sed -n "${nr}s/^ *deb *\[\([^]]*\)\].*/\1/p" "$file" | tr ' ' '\n' |
      sed -n 's/^\(signed-by\|trusted\|check-valid-until\|check-date\)=/\1: /Ip') ;;
  esac
  # A backport depends on packages of its own release, and those may depend on the machine's release.
  suites=$(printf '%s\n' "$1" "${1%-backports}" "$codename" | awk '!seen[$0]++' | paste -sd' ')
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$suites"
  [ -z "$options" ] || printf '%s\n' "$options"
}

# zb_suite_apt SUITE ARCHIVES: sets zb_apt to options that make apt use its own sources, lists and
# caches in the cache folder, and download to ARCHIVES.
zb_suite_apt() {
  local root=$zb_cache/apt/$1
  zb_apt=(
    -q -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$root/sources"
    -o "Dir::Etc::preferences=/dev/null" -o "Dir::Etc::preferencesparts=/dev/null"
    -o "Dir::State::lists=$root/lists" -o "Dir::Cache=$root/cache"
    -o "Dir::Cache::archives=$2"
    -o "Acquire::Languages=none" -o "Acquire::Retries=3" -o "APT::Sandbox::User=root"
    -o "APT::Update::Post-Invoke=" -o "APT::Update::Post-Invoke-Success="
  )
}

# zb_suite_refresh SUITE: fetches the package lists of SUITE, unless they are less than an hour old.
# Older lists may name files that the archive no longer has.
zb_suite_refresh() {
  local root=$zb_cache/apt/$1
  [ -z "$(find "$root/fresh" -mmin -60 2>/dev/null)" ] || return 0
  mkdir -p "$root"/{sources,lists/partial,cache,archives/partial}
  zb_suite_stanza "$1" >"$root/sources/suite.sources"
  zb_suite_apt "$1" "$root/archives"
  zb_quietly "$zb_cache/log/apt-$1" apt-get "${zb_apt[@]}" update
  touch "$root/fresh"
}

# zb_suite_unpack FOLDER SUITE ONLY PACKAGE...
# Unpacks the packages and their dependencies from SUITE into FOLDER. If ONLY is empty, this leaves out
# dependencies that the machine has. Otherwise ONLY is an extended regular expression, and only packages
# with matching names are unpacked. FOLDER is created complete or not at all. No package's scripts run.
zb_suite_unpack() {
  local folder=$1 suite=$2 only=$3 root resolve=() found=() deb not=
  shift 3
  [ ! -e "$folder" ] || return 0
  root=$(mktemp -d "$(dirname "$folder")/.fetch-XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$root'" EXIT
  mkdir -p "$root"/{archives/partial,tree}
  zb_suite_refresh "$suite" || exit 1
  zb_suite_apt "$suite" "$root/archives"
  resolve=(--simulate --no-install-recommends --target-release "$suite")
  if [ -n "$only" ]; then
    : >"$root/status"
    resolve+=(-o "Dir::State::status=$root/status")
  else
    resolve+=(--reinstall)
  fi
  apt-get "${zb_apt[@]}" "${resolve[@]}" install "$@" >"$root/plan" 2>"$zb_cache/log/apt-$suite" ||
    zb_die "apt can't get $* from $suite: $(grep '^E:' "$zb_cache/log/apt-$suite")"
  # A line of the plan is "Inst NAME [OLD] (NEW ARCHIVE [ARCH])". Without ONLY the packages run on the
  # machine's libraries, so they must also use the machine's C and C++ runtime.
  [ -n "$only" ] || not='libc6|libc-bin|libgcc-s1|libstdc\+\+6'
  mapfile -t found < <(sed -En 's/^Inst ([^ ]+)( \[[^]]*\])? \(([^ ]+) .*/\1=\3/p' "$root/plan" |
    grep -Ev "^($not)=" | grep -E "^(${only:-.*})=")
  [ "${#found[@]}" -gt 0 ] || zb_die "$suite has no package for $* (names: ${only:-any})"
  (cd "$root/archives" &&
    zb_quietly "$zb_cache/log/apt-$suite" apt-get "${zb_apt[@]}" download "${found[@]}") || exit 1
  for deb in "$root"/archives/*.deb; do
    dpkg-deb -x "$deb" "$root/tree"
  done
  printf '%s\n' "${found[@]}" >"$root/tree/packages"
  mv -T "$root/tree" "$folder"
}
