# Packages of another Debian suite, unpacked into a folder of the cache: nothing is installed
# and the machine's own apt set-up is only read. Source it after common.sh.
# shellcheck shell=bash disable=SC2034,SC2154

# The machine's own Debian archive, as a deb822 stanza for the suites given.
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
  # A backport leans on its own release, and what that lacks is in the machine's.
  suites=$(printf '%s\n' "$1" "${1%-backports}" "$codename" | awk '!seen[$0]++' | paste -sd' ')
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$suites"
  [ -z "$options" ] || printf '%s\n' "$options"
}

# zb_suite_apt SUITE ARCHIVES: options that give apt a world of its own in the cache.
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

# Package lists of SUITE, not older than an hour: an older one names files that may be gone.
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
# FOLDER gets the packages and their dependencies from SUITE. With ONLY empty: those the
# machine does not have. With ONLY an extended regular expression: just the matching names.
# FOLDER appears whole or not at all. Dependencies are never run or configured.
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
    zb_die "apt finds no way to get $* from $suite: $(grep '^E:' "$zb_cache/log/apt-$suite")"
  # "Inst NAME [OLD] (NEW ARCHIVE [ARCH])". What runs among the machine's libraries does so on the
  # machine's C library; what is named is taken as it is named.
  [ -n "$only" ] || not='libc6|libc-bin|libgcc-s1|libstdc\+\+6'
  mapfile -t found < <(sed -En 's/^Inst ([^ ]+)( \[[^]]*\])? \(([^ ]+) .*/\1=\3/p' "$root/plan" |
    grep -Ev "^($not)=" | grep -E "^(${only:-.*})=")
  [ "${#found[@]}" -gt 0 ] || zb_die "$suite has nothing called $* (looked for ${only:-any})"
  (cd "$root/archives" &&
    zb_quietly "$zb_cache/log/apt-$suite" apt-get "${zb_apt[@]}" download "${found[@]}") || exit 1
  for deb in "$root"/archives/*.deb; do
    dpkg-deb -x "$deb" "$root/tree"
  done
  printf '%s\n' "${found[@]}" >"$root/tree/packages"
  mv -T "$root/tree" "$folder"
}
