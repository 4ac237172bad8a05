#!/usr/bin/env bash
# Compares the public interface with that of the last release, which is found by its version tag: a breaking change
# needs a version number that says so. If there is no such tag yet, there is nothing to compare with, and nothing is
# installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.51.0
tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2> /dev/null || true)
if [[ -z $tag ]]; then
    echo "no version is tagged yet: there is no interface to keep"
    exit 0
fi
if [[ $(git rev-parse "$tag^{commit}") == $(git rev-parse HEAD) ]]; then
    echo "this is $tag itself"
    exit 0
fi
# A shallow clone may have the tag without its tree.
git cat-file -e "$tag^{tree}"
tools=target/tools
[[ -x $tools/bin/cargo-semver-checks ]] ||
    cargo install --quiet --locked --root "$tools" --version "$version" cargo-semver-checks
echo "compared with $tag"
"$tools/bin/cargo-semver-checks" semver-checks --baseline-rev "$tag" --all-features
