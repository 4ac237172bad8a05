"""Checks the locked dependencies: none has a version with a known fault, and none needs a newer Rust than ours.

With --features it prints the package's features instead, one per line.
"""

import json
import subprocess
import sys

# The minimum version of a crate, and the reason.
FLOORS = {
    "slab": ((0, 4, 11), "0.4.10 reads out of bounds in get_disjoint_mut"),
    "mio": ((1, 0, 0), "before 0.8.11 an event of one that is deregistered could still be delivered"),
    "socket2": ((0, 3, 16), "earlier versions assume the memory layout of std's addresses"),
}


def numbers(version):
    core = version.split("-")[0].split("+")[0]
    parts = [int(part) for part in core.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


command = ["cargo", "metadata", "--locked", "--format-version", "1"]
metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
packages = metadata["packages"]
own = next(package for package in packages if package["id"] in metadata["workspace_members"])

if "--features" in sys.argv:
    for feature in sorted(set(own["features"]) - {"default"}):
        print(feature)
    sys.exit()

faults, seen = [], set()
ours = numbers(own["rust_version"])
for package in packages:
    name, version = package["name"], package["version"]
    if name in FLOORS:
        seen.add(name)
        least, reason = FLOORS[name]
        if numbers(version) < least:
            faults.append(f"{name} {version}: {reason}")
    needs = package["rust_version"]
    if needs and numbers(needs) > ours:
        faults.append(f"{name} {version} needs Rust {needs}, and we say {own['rust_version']}")
faults += [f"{name} is no dependency any more: remove its floor" for name in FLOORS.keys() - seen]

for fault in faults:
    print(fault)
print(f"{len(packages)} packages, {len(faults)} faults")
sys.exit(bool(faults))
