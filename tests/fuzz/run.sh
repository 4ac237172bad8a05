#!/usr/bin/env bash
# Builds the targets of the fuzzer and runs them, two at a time; README.md says more.
#
#     tests/fuzz/run.sh [SECONDS [TARGET...]]
#
# It does what `cargo fuzz` would, with cargo alone. SANITIZER=address adds that sanitizer, KEEP=1 adds to the corpus
# what the run has found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds=${1:-60}
shift || true
targets=("$@")
((${#targets[@]})) || targets=(parsers reader tls transport)

# What the fuzzer is told of a run: which edges waterwheel took, and what it compared. `cargo fuzz` sets the same for all
# crates. Given for a target the flags do not reach what runs while building.
flags=(--cfg fuzzing)
instrumentation=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0
    -Ccodegen-units=1
)
if [[ -n ${SANITIZER:-} ]]; then
    export RUSTC_BOOTSTRAP=1
    flags+=("-Zsanitizer=$SANITIZER")
fi
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="${flags[*]}"
export INSTRUMENTATION="${instrumentation[*]}"
export RUSTC_WRAPPER="$PWD/instrument.sh"
export CARGO_TARGET_DIR="$PWD/target/${SANITIZER:-plain}"
bins=()
for target in "${targets[@]}"; do
    bins+=(--bin "$target")
done
cargo build --locked --release --target "$host" "${bins[@]}"

# Long inputs of the reader are no different from several short ones, and take longer.
declare -A longest=([reader]=256)

# Runs one target. What it prints is kept apart, since another runs beside it. Memory that it frees stays with the process:
# each input begins anew, and wants the same again.
fuzz() {
    local target=$1 found
    mkdir -p "artifacts/$target" "corpus/$target"
    if [[ -n ${KEEP:-} ]]; then
        found=corpus/$target
    else
        found=$(mktemp -d "target/found.$target.XXXXXX")
    fi
    MALLOC_MMAP_THRESHOLD_=$((1 << 30)) MALLOC_TRIM_THRESHOLD_=$((1 << 30)) \
        "$CARGO_TARGET_DIR/$host/release/$target" "$found" "corpus/$target" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len="${longest[$target]:-4096}" \
        -print_new=0 -print_final_stats=1 -artifact_prefix="artifacts/$target/" > "target/$target.log" 2>&1
}

failed=0
for ((first = 0; first < ${#targets[@]}; first += 2)); do
    pair=("${targets[@]:first:2}")
    pids=()
    for target in "${pair[@]}"; do
        fuzz "$target" &
        pids+=($!)
    done
    for i in "${!pids[@]}"; do
        target=${pair[i]}
        log=target/$target.log
        if wait "${pids[i]}"; then
            printf '%-10s %12d executions, %9d a second\n' "$target" \
                "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
                "$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")"
        else
            failed=1
            printf '%s: FAILED\n' "$target"
            tail -n 60 "$log" | cut -c1-300
        fi
    done
done
exit "$failed"
