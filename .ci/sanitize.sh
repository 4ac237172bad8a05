#!/usr/bin/env bash
# Runs the test suite under AddressSanitizer with its leak checker. It fails on an access outside of allocated memory,
# and on a block that is unreachable when a test program ends. It needs only cargo, since the sanitizer is part of the
# compiler.
#
#     .ci/sanitize.sh [ARGUMENTS OF cargo test AFTER --]
#
# It leaves out the documentation's examples, and
#
# - `programs`, which starts other programs, counts their system calls and traces them;
# - `law_07_storm` and `bulk::a_gibibyte…`, which measure how much memory the process holds, since the sanitizer keeps
#   freed memory for a while.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The sanitizer is unstable, but is part of the stable compiler. The standard library is not rebuilt with it: its
# allocations are tracked, but the reads and writes of its compiled code are not checked.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address
# Function names are enough to find a leak, and the folder stays small without line tables.
export CARGO_TARGET_DIR=target/address CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
export RUST_BACKTRACE=0
export ASAN_OPTIONS=detect_leaks=1

programs=(--lib)
for main in tests/*/main.rs; do
    program=$(basename "$(dirname "$main")")
    [[ $program == programs ]] || programs+=(--test "$program")
done
# With the target given, build scripts and macros are built without the sanitizer.
host=$(rustc -vV | sed -n 's/^host: //p')
exec cargo test --locked --all-features --no-fail-fast --target "$host" "${programs[@]}" -- \
    --skip law_07_storm --skip bulk::a_gibibyte_goes_both_ways_at_once_and_little_is_held "$@"
