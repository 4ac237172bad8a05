#!/usr/bin/env python3
"""Makes scenarios by seed, has asyncio answer them, and compares with waterwheel.

    random_scenarios.py [--count N] [--seed S] [--kind reader|streams|tasks]

A mismatch prints its seed and the shortest scenario with fewer steps that still differs, and is a failure.
"""

import argparse
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import driver

ROOT = driver.HERE.parent.parent
LETTERS = "ab;\n"
SEPARATORS = [";", "\n", "a;", "ab", ";;\n", "aab"]
LISTS = [[";", "\n"], ["ab", ";"], ["a\n", "\n"], ["b;", "ab;", "a"]]


class Reads:
    """Random reads that no difference on purpose is about."""

    def __init__(self, rng):
        self.rng = rng
        # read_to_end may wait: then nothing is cancelled, since asyncio drops what it has of it.
        self.to_end_waits = False

    def word(self, longest=12):
        return "".join(self.rng.choice(LETTERS) for _ in range(self.rng.randint(1, longest)))

    def read(self):
        kind = self.rng.choices(
            ["read", "read_into", "fill_consume", "readexactly", "readline", "readline_into", "next_line", "readuntil",
             "readuntil_into", "several", "read_to_end", "at_eof"],
            [4, 2, 2, 4, 4, 2, 2, 4, 2, 3, 0.5, 1])[0]
        if kind in ("read", "read_into", "readexactly"):
            return [kind, self.rng.choice([0, 1, 2, 3, 5, 8, 20])]
        if kind == "fill_consume":
            # What is lent may be a part of what there is, but for one byte.
            return [kind, 1]
        if kind == "several" and sys.version_info >= (3, 13):
            return ["readuntil", self.rng.choice(LISTS)]
        if kind in ("readuntil", "readuntil_into", "several"):
            return ["readuntil" if kind == "several" else kind, self.rng.choice(SEPARATORS)]
        self.to_end_waits = self.to_end_waits or kind == "read_to_end"
        return [kind]

    def cancels(self):
        if self.to_end_waits:
            return []
        names = ["read", "read_into", "fill_consume", "readexactly", "readline", "readline_into", "next_line",
                 "readuntil", "readuntil_into"]
        return [["cancel", name] for name in names]


def reader(rng):
    reads, steps, ended = Reads(rng), [], False
    for _ in range(rng.randint(3, 25)):
        choice = rng.random()
        if choice < 0.4 and not ended:
            feeds = [["feed", reads.word()] for _ in range(rng.randint(1, 3))]
            steps.append(["together", feeds] if rng.random() < 0.3 else feeds[0])
        elif choice < 0.85:
            steps.append(reads.read())
        elif choice < 0.93:
            steps += reads.cancels()
        elif choice < 0.97 and not ended:
            ended = True
            steps.append(["together", [["feed", reads.word()], ["feed_eof"]]] if rng.random() < 0.5 else ["feed_eof"])
            reads.to_end_waits = False
        elif not ended and not reads.to_end_waits:
            # What is unread before an error is a difference on purpose: nothing is.
            ended = True
            steps += [["together", reads.cancels()], ["read", 100000], ["cancel", "read"], ["set_exception", "broken"]]
            steps += [step for step in (reads.read() for _ in range(3)) if step[1:] != [0]]
            break
    return {"kind": "reader", "limit": rng.choice([1, 2, 3, 5, 8, 16, 64]), "steps": steps}


def streams(rng):
    """The peer sends what is read at random; we write what it reads; then one side or the other ends it."""
    reads, steps = Reads(rng), []
    unread, ended, peer_ended = 0, False, False
    for _ in range(rng.randint(3, 15)):
        choice = rng.random()
        if choice < 0.3 and not peer_ended:
            # One send a step: how a read sees two depends on the moment.
            steps.append(["peer.send", reads.word(60)])
        elif choice < 0.55:
            steps.append(reads.read())
        elif choice < 0.6:
            steps += reads.cancels()
        elif choice < 0.8 and not ended:
            words = [reads.word(60) for _ in range(rng.randint(1, 3))]
            if rng.random() < 0.1:
                words = [{"repeat": words[0], "times": rng.choice([500, 5000, 50000])}]
            one_by_one = [["write", word] for word in words]
            steps += [["writelines", words]] if rng.random() < 0.3 and len(words) > 1 else [["together", one_by_one]]
            unread += sum(len(driver.unshape(word)) for word in words)
        elif choice < 0.87:
            steps.append(["drain"])
        elif choice < 0.93 and unread:
            n = rng.randint(1, unread)
            unread -= n
            steps.append(["peer.read", n])
        elif choice < 0.96 and not peer_ended:
            peer_ended, reads.to_end_waits = True, False
            steps.append(["peer.shutdown"])
        elif choice < 0.98 and not ended:
            ended = True
            steps.append(["write_eof"])
        else:
            steps += [["is_closing"], ["at_eof"], ["buffer"] if not unread else ["drain"]]
    if not peer_ended and rng.random() < 0.5:
        steps.append(["peer.shutdown"])
        peer_ended = True
    # Unread input at a close is a difference on purpose: the pending read is over and all that has come is read.
    if peer_ended:
        steps += [["read_to_end"], ["read_to_end"], ["wait_closed"], ["close"], ["peer.read_to_end"], ["drain"]]
    elif ended:
        steps += [["peer.read_to_end"]]
    elif unread:
        steps += [["peer.read", unread]]
    # More than comes: what an overrun says depends on how much the kernel gave at once.
    return {"kind": "streams", "over": rng.choice(["tcp", "pair"]), "limit": rng.choice([4096, 65536]), "steps": steps}


class Steps:
    """Random steps of tasks. Hardly ever do two things happen in one millisecond, unless one leads to the other."""

    def __init__(self, rng):
        self.rng, self.names = rng, 0

    def name(self):
        self.names += 1
        return f"n{self.names}"

    def sleep(self):
        return ["sleep", self.rng.randint(1, 1000000)]

    def children(self, depth):
        # Who waits for them goes on some turns later in asyncio. Meanwhile another one could act, if they ended at once.
        return [[self.name(), [self.sleep(), *self.task(depth)]] for _ in range(self.rng.randint(0, 4))]

    def task(self, depth, may_fail=False, may_gather=False):
        steps = []
        for _ in range(self.rng.randint(0, 3)):
            steps += self.step(depth, may_gather)
        if may_fail and self.rng.random() < 0.3:
            steps += [self.sleep(), self.rng.choice([["fail", self.name()], ["raise"]])]
        return steps

    def step(self, depth, may_gather):
        kinds, weights = ["yield", "sleep", "say", "event"], [2, 4, 1, 2]
        if depth:
            kinds, weights = kinds + ["group", "timeout"], weights + [4, 2]
        if depth and may_gather:
            kinds, weights = kinds + ["gather", "as_completed"], weights + [3, 2]
        kind = self.rng.choices(kinds, weights)[0]
        if kind == "sleep":
            return [self.sleep()]
        if kind == "say":
            return [["say", self.name()], ["time"]]
        if kind == "event":
            return [[self.rng.choice(["get", "set"]), self.rng.choice("ef")], self.sleep()]
        if kind == "group":
            return [self.group(depth - 1)]
        if kind == "timeout":
            # A timeout that nothing else is due with, and a moment of its own for what it ended.
            return [[self.rng.choice(["timeout", "wait_for"]), self.sleep()[1], self.name(), self.task(depth - 1)]]
        if kind in ("gather", "as_completed"):
            return [[kind, self.children(depth - 1)], self.sleep()]
        return [[kind]]

    def group(self, depth):
        name = self.name()
        steps = []
        for _ in range(self.rng.randint(0, 3)):
            steps.append(["child", name, self.name(), self.task(depth, may_fail=True)])
            if self.rng.random() < 0.3:
                steps += self.step(depth, False)
        # The end of a group is a moment of its own, too.
        steps.append(self.sleep())
        if self.rng.random() < 0.2:
            steps.append(["fail", name])
        return ["group", name, steps]


def tasks(rng):
    """Tasks with all that they may wait for, some of which are cancelled at some time."""
    steps, made = [], Steps(rng)
    for _ in range(rng.randint(1, 3)):
        name, is_cancelled = made.name(), rng.random() < 0.4
        # What is given up while it gathers is a difference on purpose.
        steps.append(["task", name, made.task(rng.randint(1, 3), may_gather=not is_cancelled)])
        if is_cancelled:
            steps.append(["later", rng.randint(1, 2000000), made.name(), [["cancel", name]]])
    return {"kind": "tasks", "steps": [*steps, ["run"], ["time"]]}


KINDS = {"reader": reader, "streams": streams, "tasks": tasks}


def make(kind, seed):
    return {"id": f"{kind}-{seed}", **KINDS[kind](random.Random(f"{kind} {seed}"))}


def differing(scenarios):
    """Has both answer, and returns the ids of those whose traces differ, with the whole report."""
    for scenario in scenarios:
        scenario["asyncio"] = driver.answer(scenario)
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "random.json").write_text(driver.text(scenarios))
        run = subprocess.run(
            ["cargo", "test", "--locked", "--quiet", "--test", "conformance", "further"], cwd=ROOT, text=True, capture_output=True,
            env={**os.environ, "WATERWHEEL_SCENARIOS": folder, "RUST_BACKTRACE": "0"})
    report = run.stdout + run.stderr
    ids = re.findall(r"^(\S+)(?=\n  expected:| hangs$| panics$)", report, re.MULTILINE)
    if run.returncode and not ids:
        sys.exit(report)
    return ids, report


def without_one(steps):
    """The same steps with one of them left out, or with one left out of what one of them does."""
    for place, step in enumerate(steps):
        before, after = steps[:place], steps[place + 1:]
        yield before + after
        for at, part in enumerate(step):
            if isinstance(part, list):
                yield from (before + [[*step[:at], less, *step[at + 1:]]] + after for less in without_one(part))


def shorter(scenario):
    base, _, _ = scenario["id"].partition("-without-")
    for place, steps in enumerate(without_one(scenario["steps"])):
        yield {**scenario, "id": f"{base}-without-{place}", "steps": steps}


def answerable(scenario):
    try:
        driver.answer(scenario)
    except Exception:
        # Without that step the rest makes no sense.
        return False
    return True


def shrink(scenario):
    """Drops steps as long as the rest still differs."""
    while True:
        candidates = [candidate for candidate in shorter(scenario) if answerable(candidate)]
        ids, _ = differing(candidates) if candidates else ([], "")
        if not ids:
            return scenario
        scenario = next(candidate for candidate in candidates if candidate["id"] == ids[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000, help="how many, most of them of a reader")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--kind", choices=list(KINDS), help="only this kind")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.count)
    others = {9: "streams"}
    # Before 3.13 what cancels a task from inside and from outside at once ends differently.
    if sys.version_info >= (3, 13):
        others[8] = "tasks"
    else:
        print("Python is older than 3.13: no scenarios of tasks, unless they are asked for")
    kinds = {seed: arguments.kind or others.get(seed % 10, "reader") for seed in seeds}
    scenarios = {f"{kind}-{seed}": make(kind, seed) for seed, kind in kinds.items()}
    ids, report = differing(list(scenarios.values()))
    print(report if ids else "", end="", flush=True)
    for name in ids[:2]:
        short = shrink(scenarios[name])
        print(f"--kind {name.replace('-', ' --seed ')} --count 1 differs; the shortest that does:")
        print(json.dumps({key: value for key, value in short.items() if key != "asyncio"}))
        print(f"  asyncio:    {json.dumps(short['asyncio'])}")
    print(f"{len(scenarios)} scenarios from seed {arguments.seed} on, {len(ids)} differ")
    sys.exit(bool(ids))


if __name__ == "__main__":
    main()
