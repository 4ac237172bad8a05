#!/usr/bin/env python3
"""Runs scenarios on asyncio and compares with the recorded answers, or records them.

    driver.py [--record] [FILE or FOLDER ...]

Without names: the scenarios beside this file. README.md says what a scenario is.
"""

import argparse
import asyncio
import json
import pathlib
import sys

from oracle.loops import Loop
from oracle.trace import unshape
from oracle.world import World

HERE = pathlib.Path(__file__).parent
LONGEST_RUN = 10


def answer(scenario):
    """What asyncio's trace of a scenario is."""
    if scenario["kind"] in ("loop", "tasks"):
        return Loop(scenario).run()
    return asyncio.run(bounded(World(scenario)))


async def bounded(world):
    run = asyncio.ensure_future(world.run())
    await asyncio.wait([run], timeout=LONGEST_RUN)
    if run.done():
        return run.result()
    if world.is_over_tls():
        # asyncio's transport over TLS does so here and there.
        return [*world.trace.shaped(), ["hangs"]]
    raise TimeoutError


def over_tls(scenario):
    """The same over TLS, for what is about a connection over TCP."""
    if scenario["kind"] in ("transport", "streams") and scenario.get("over", "tcp") == "tcp":
        return {**scenario, "over": "tls"}
    return None


def can_run(scenario):
    since = tuple(int(part) for part in scenario.get("since", "3.11").split("."))
    return sys.version_info >= since


def text(scenarios):
    """JSON that people can read: a line for each key of a scenario."""
    objects = []
    for scenario in scenarios:
        lines = [f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in scenario.items()]
        objects.append("  {\n" + ",\n".join(lines) + "\n  }")
    return "[\n" + ",\n".join(objects) + "\n]\n"


def files(names):
    for name in names:
        path = pathlib.Path(name)
        yield from sorted(path.glob("*.json")) if path.is_dir() else [path]


def visit(path, record):
    """Returns how many runs there were, and how many answered something new."""
    scenarios = json.loads(path.read_text())
    ran = changed = 0
    for scenario in scenarios:
        if not can_run(scenario):
            print(f"{path.name}: {scenario['id']}: needs Python {scenario['since']}, not run")
            continue
        secure = over_tls(scenario)
        try:
            now = {"asyncio": answer(scenario), "asyncio_tls": answer(secure) if secure else None}
        except Exception as exc:
            sys.exit(f"{path.name}: {scenario['id']}: cannot be run: {exc!r}")
        if now["asyncio_tls"] == now["asyncio"]:
            now["asyncio_tls"] = None
        for key, trace in now.items():
            ran += key == "asyncio" or secure is not None
            before = scenario.pop(key, None)
            if trace != before:
                changed += 1
                print(f"{path.name}: {scenario['id']}")
                print(f"  recorded as {key}: {json.dumps(before)}")
                print(f"  now:               {json.dumps(trace)}")
            if trace is not None:
                scenario[key] = trace
    if record:
        path.write_text(text(scenarios))
    return ran, changed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", action="store_true", help="write the answers into the files")
    parser.add_argument("names", nargs="*", default=[HERE / "scenarios"])
    arguments = parser.parse_args()
    ran = changed = 0
    for path in files(arguments.names):
        counts = visit(path, arguments.record)
        ran, changed = ran + counts[0], changed + counts[1]
    version = ".".join(map(str, sys.version_info[:2]))
    print(f"{ran} runs on Python {version}, {changed} answers {'recorded anew' if arguments.record else 'differ'}")
    sys.exit(changed > 0 and not arguments.record)


if __name__ == "__main__":
    main()
