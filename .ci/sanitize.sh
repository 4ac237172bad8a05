#!/usr/bin/env bash
# The suite under AddressSanitizer with its leak checker: an access outside of its memory, or a block that nobody can
# reach when a test program ends, fails it. Needs nothing but cargo, since the compiler brings the sanitizer.
#
#     .ci/sanitize.sh [WHAT cargo test IS TOLD AFTER --]
#
# Left out are the documentation's examples, and
#
# - `programs`, which starts other programs, counts their system calls and traces them;
# - `law_07_storm` and `bulk::a_gibibyte…`, which measure how much memory the process holds, since the sanitizer keeps
#   what was freed for a while.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The sanitizer is not stable, but is part of the stable compiler. The standard library is not rebuilt with it: its blocks are
# tracked nevertheless, but what its compiled code reads and writes is not checked.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address
# Names of functions are enough to find a leak, and the folder stays small without lines.
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
