"""Has clippy look at the library with every two features, and with all but one.

None, each alone and all are looked at elsewhere, with tests and examples. Every subset would be 2^n builds, and a fault that
needs three features on and a fourth off has never been seen; two that forget each other have.
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
    """What is on, once each feature has turned on what it needs."""
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
