#!/bin/sh
# Drops busy loops under valgrind and fails if a block is lost. Needs valgrind; takes about a minute.
set -eu
cd "$(dirname "$0")/.."

# The path of the test binary is the last word of cargo's line "Executable tests/laws/main.rs (PATH)".
binary=$(cargo test --no-run --test laws 2>&1 | sed -n 's/.*(\(.*\/laws-[0-9a-f]*\))$/\1/p')

# Blocks that are still reachable at the end belong to the test harness and to thread-locals: no leak.
# Without backtraces, whose symbol tables are tens of megabytes that stay.
export RUST_BACKTRACE=0
# In one process: valgrind does not follow children.
export WATERWHEEL_ALONE=1
exec valgrind --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
    --error-exitcode=1 "$binary" --test-threads=1 law_06
