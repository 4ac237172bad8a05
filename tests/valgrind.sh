#!/usr/bin/env bash
# Test programs under valgrind: no block is lost when a program ends, and nothing depends on memory that was never written.
# Two run at a time. Needs valgrind.
#
# Left out are `tls`, and tests with that in their names: valgrind takes what the cipher's machine code writes for never
# written. `programs` and `processes` are about other processes, `allocations` and `thread_ends` about how memory and threads are
# counted; `adapters` and `conformance` move or replay more than there is time for; so does one test that moves 200 megabytes.
# A test that runs itself in a process of its own runs there without valgrind, which follows no children; those of law 6, which
# drop busy loops, run within it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What takes longest first.
programs=(lib streams connections sim event_loop tasks debug_mode datagrams_and_pipes)

# Without backtraces, whose symbol tables are tens of megabytes that stay. And few cases of what is tried at random.
export RUST_BACKTRACE=0 PROPTEST_CASES=4

targets=()
for program in "${programs[@]}" laws; do
    if [[ $program == lib ]]; then targets+=(--lib); else targets+=(--test "$program"); fi
done
# The path of a test program is the last word of cargo's line "Executable tests/laws/main.rs (PATH)".
built=$(cargo test --locked --all-features --no-run "${targets[@]}" 2>&1) || { echo "$built"; exit 1; }

# Runs a program, and keeps what it prints, since another runs beside it. Blocks that can still be reached at the end belong to
# the test harness and to thread-locals: no leak.
check() {
    local program=$1 path log=target/valgrind.$1.log began=$SECONDS
    shift
    local file=tests/$program/main.rs
    [[ $program != lib ]] || file=src/lib.rs
    path=$(sed -n "s|^ *Executable .*$file (\\(.*\\))\$|\\1|p" <<< "$built")
    if valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
        --error-exitcode=1 "$path" --test-threads=1 "$@" > "$log" 2>&1; then
        printf '%-20s %4d s, %s\n' "$program" "$((SECONDS - began))" "$(grep '^test result' "$log")"
    else
        printf '%s: FAILED\n' "$program"
        tail -n 60 "$log" | cut -c1-300
        return 1
    fi
}

failed=0
WATERWHEEL_ALONE=1 check laws law_06 &
running=($!)
for program in "${programs[@]}"; do
    if ((${#running[@]} == 2)); then
        wait "${running[0]}" || failed=1
        running=("${running[1]}")
    fi
    check "$program" --skip tls --skip a_slow_reader_of_200_megabytes &
    running+=($!)
done
for one in "${running[@]}"; do
    wait "$one" || failed=1
done
exit "$failed"
