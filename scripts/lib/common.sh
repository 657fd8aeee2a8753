# Messages, paths and helpers that all scripts share. Source this file.
# shellcheck shell=bash disable=SC2034,SC2154

zb_repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
zb_cache=${ZONEBRIDGE_CACHE:-$zb_repo/.cache}

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
  zb_bold=$'\e[1m' zb_dim=$'\e[2m' zb_red=$'\e[31m' zb_plain=$'\e[0m'
else
  zb_bold='' zb_dim='' zb_red='' zb_plain=''
fi

# Progress goes to stderr, so that stdout has only the script's result.
zb_say() { printf '%s\n' "$*" >&2; }
zb_note() { printf '%s%s%s\n' "$zb_dim" "$*" "$zb_plain" >&2; }
zb_warn() { printf '%s%s%s\n' "$zb_red" "$*" "$zb_plain" >&2; }
zb_die() {
  zb_warn "$(basename "$0"): $*"
  exit 1
}

# The limits of waits, in seconds: for packages of the lab that are being fetched, and for a first build.
zb_fetch_limit=900
zb_build_limit=1800

# zb_wait SECONDS PROCESS [COMMAND...]: waits until this child of the script has ended, and returns its
# status, or 124 if it still runs after that time. COMMAND runs every 20 seconds.
zb_wait() {
  local limit=$1 process=$2 began=$SECONDS waited
  shift 2
  for ((waited = 1; ; waited++)); do
    kill -0 "$process" 2>/dev/null || break
    [ $((SECONDS - began)) -lt "$limit" ] || return 124
    sleep 0.5
    ((waited % 40)) || [ $# -eq 0 ] || "$@"
  done
  wait "$process"
}

# zb_locked FILE COMMAND...: runs the command under the lock FILE; waits while another process has it, for at
# most $zb_fetch_limit seconds.
zb_locked() {
  local lock=$1
  shift
  mkdir -p "$(dirname "$lock")"
  (
    if ! flock --nonblock 9; then
      zb_note "waiting for another run to finish with $(dirname "$lock")"
      flock --timeout "$zb_fetch_limit" 9 ||
        zb_die "another run has kept $lock for $zb_fetch_limit seconds; end that run, and try again"
    fi
    # The command does not get descriptor 9: a process that it leaves behind would keep the lock.
    "$@" 9>&-
  ) 9>"$lock"
}

# zb_quietly LOG COMMAND...: runs the command with its output in LOG, and prints the end of LOG only if
# the command fails.
zb_quietly() {
  local log=$1 status=0
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ "$status" -ne 0 ]; then
    zb_warn "failed ($status): $*"
    tail -n "${ZONEBRIDGE_LOG_LINES:-60}" "$log" >&2
    zb_warn "whole log: $log"
  fi
  return "$status"
}
