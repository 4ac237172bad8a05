"""Runs clippy on the library with every pair of features, and with all features but one.

No feature, each feature alone and all features are checked elsewhere, with tests and examples. Every subset would be
2^n builds. Faults that need three features on and a fourth off have never been seen; faults between two features have.
"""

import itertools
import json
import subprocess
import sys
import time

metadata = json.loads(
    subprocess.run(
        ["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"], check=True, stdout=subprocess.PIPE
    ).stdout
)
implies = metadata["packages"][0]["features"]
features = sorted(implies.keys() - {"default"})


def closure(chosen):
    """The features that are on, once each chosen feature has turned on those that it needs."""
    on, todo = set(), list(chosen)
    while todo:
        feature = todo.pop()
        if feature in features and feature not in on:
            on.add(feature)
            todo += implies[feature]
    return frozenset(on)


def subsets():
    pairs = itertools.combinations(features, 2)
    all_but_one = itertools.combinations(features, len(features) - 1)
    elsewhere = {frozenset(), closure(features)} | {closure([feature]) for feature in features}
    return sorted({closure(chosen) for chosen in itertools.chain(pairs, all_but_one)} - elsewhere, key=sorted)


start, failed = time.monotonic(), []
chosen = subsets()
for subset in chosen:
    names = ",".join(sorted(subset))
    command = ["cargo", "clippy", "--quiet", "--locked", "--lib", "--no-default-features", "--features", names]
    if subprocess.run([*command, "--", "-D", "warnings"]).returncode:
        failed.append(names)
        print(f"fails with {names}")
print(f"{len(chosen)} sets of features, {len(failed)} fail, {time.monotonic() - start:.0f} s")
sys.exit(bool(failed))
