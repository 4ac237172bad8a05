#!/usr/bin/env bash
# Called by cargo in place of each `rustc ARGUMENTS…` (RUSTC_WRAPPER). Instruments waterwheel, and nothing else: the
# coverage of its dependencies and of the tests' models would make each execution slower, and say nothing about it.
set -euo pipefail
case " $* " in
    *" --crate-name waterwheel "*) exec "$@" $INSTRUMENTATION ;;
    *) exec "$@" ;;
esac
