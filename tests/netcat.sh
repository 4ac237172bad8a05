#!/bin/sh
# Pipes a file through each echo server with OpenBSD's netcat and compares what comes back. It stands beside the Rust
# tests since few machines have that netcat.
set -eu
cd "$(dirname "$0")/.."
cargo build --quiet --release --examples

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
seq 1 1000000 > "$work/file"

for name in echo_streams echo_protocol; do
    "target/release/examples/$name" 127.0.0.1:0 > "$work/said" &
    server=$!
    tries=0
    until grep -q '^Serving on ' "$work/said"; do
        tries=$((tries + 1))
        [ "$tries" -lt 500 ] || { echo "$name does not listen" >&2; exit 1; }
        sleep 0.02
    done
    port=$(sed -n 's/^Serving on .*://p' "$work/said")
    # -N: end the stream at the end of the file. The server then ends its side, and nc its run.
    timeout 60 nc -N 127.0.0.1 "$port" < "$work/file" > "$work/echoed"
    cmp "$work/file" "$work/echoed"
    echo "$name: $(wc -c < "$work/echoed") bytes came back as they went"
    kill "$server"
    server=
done
