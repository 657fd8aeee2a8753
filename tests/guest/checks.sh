# Checks, for scripts inside the guest and outside. Each prints one line: "PASS: NAME", or "FAIL: NAME"
# with the expected and the actual result below it. tests/guest/suite counts these lines.
# shellcheck shell=bash

set -uo pipefail

failures=0
checks=0
pass() { checks=$((checks + 1)); printf 'PASS: %s\n' "$1"; }
fail() {
  checks=$((checks + 1)) failures=$((failures + 1))
  printf 'FAIL: %s\n' "$1"
  [ $# -lt 2 ] || printf '%s\n' "${@:2}" | tail -n 16 | sed 's/^/      /'
}
skipped() { printf 'SKIP: %s (%s)\n' "$1" "$2"; }

# skip REASON: ends the script, because none of it can run here.
skip() {
  printf 'SKIP: %s (%s)\n' "$(basename "$0" .sh)" "$1"
  exit 77
}
# finish: ends the script with status 1 if a check failed or no check ran, otherwise with 0.
finish() {
  [ "$checks" -gt 0 ] || fail "$(basename "$0" .sh)" "nothing was checked"
  exit $((failures > 0))
}
# give_up WHAT...: fails and ends the script, because the rest can't work without WHAT.
give_up() {
  fail "$@"
  finish
}

# equal NAME EXPECTED GOT
equal() {
  if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "expected: $2" "got:      $3"; fi
}
# match NAME REGEX TEXT: at least one line of TEXT matches the extended regular expression.
match() {
  if grep -Eq -- "$2" <<<"$3"; then pass "$1"; else fail "$1" "got:" "$(tail -n 12 <<<"$3")" "expected a line like: $2"; fi
}
# no_match NAME REGEX TEXT: no line of TEXT matches.
no_match() {
  local found
  if found=$(grep -E -- "$2" <<<"$3"); then fail "$1" "expected no line like: $2" "got:" "$found"; else pass "$1"; fi
}
# check NAME COMMAND...: the command succeeds.
check() {
  local name=$1 output status=0
  shift
  output=$("$@" 2>&1) || status=$?
  if [ "$status" -eq 0 ]; then pass "$name"; else fail "$name" "status $status of: $*" "$output"; fi
}
# refused NAME REGEX COMMAND...: the command fails, and its output matches, in upper or lower case.
refused() {
  local name=$1 reason=$2 output
  shift 2
  if output=$("$@" 2>&1); then
    fail "$name" "expected a failure ($reason) of: $*" "$output"
  elif grep -Eqi -- "$reason" <<<"$output"; then
    pass "$name"
  else
    fail "$name" "expected the reason: $reason" "got:" "$output"
  fi
}
