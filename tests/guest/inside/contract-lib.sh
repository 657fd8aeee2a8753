# Helpers that run the contract suite in the lab guest, and make devices for it. Source this file first.
# shellcheck shell=bash

. "$(dirname "${BASH_SOURCE[0]}")/devices.sh"

# contract NAME OPTION...: runs the suite on one device, prints its lines and counts its checks.
contract() {
  local name=$1 status=0 begin=$SECONDS
  shift
  "$ZB_CONTRACT" --label "$name" --lines --table "$ZB_SHARED/rows" "$@" \
    >/tmp/run 2>&1 || status=$?
  grep -v '^  run: ' /tmp/run
  case $status in
    0) grep -qE '^(PASS|SKIP): ' /tmp/run || fail "$name" "no test ran: $*" ;;
    1) failures=$((failures + 1)) ;;
    *)
      fail "$name: the contract suite ends normally" "status $status" "$(tail -n 8 /tmp/run)"
      printf '%s\t-\t-\t%d\t1\t0\tFAIL died with status %d after%s\n' "$name" \
        "$(grep -c '^PASS: ' /tmp/run)" "$status" "$(grep '^  run: ' /tmp/run | tail -n 1)" \
        >>"$ZB_SHARED/rows" ;;
  esac
  checks=$((checks + $(grep -cE '^(PASS|FAIL): ' /tmp/run)))
  echo "$name: $((SECONDS - begin)) s"
}
