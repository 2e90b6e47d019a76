#!/usr/bin/env python3
"""Times a large pipeline: 200 tasks on 3 bases, 40 of which join others, planned and rebuilt from the cache.

    compat/bench/pipeline.py --stromatekt target/release/stromatekt --lab LAB [--runs 5]

LAB has the base images (compat/lab/bases.sh). There is no peer to compare with: docker has no such files. The times are of the whole command.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

BASES = ["busybox", "debian", "debian-gcc"]
JOINS = 40
PARTS = 4


def pipeline() -> str:
    """A pipeline of JOINS joins, each of PARTS tasks on one base, and an image of the joins of each base."""
    lines = ["bases:", *(f"  {base}: {base}" for base in BASES), "tasks:"]
    joins = {base: [] for base in BASES}
    for join in range(JOINS):
        base = BASES[join % len(BASES)]
        parts = [f"part-{join}-{part}" for part in range(PARTS)]
        for part in parts:
            lines.append(f"  {part}: {{on: {base}, run: 'echo {part} > /{part}'}}")
        lines.append(f"  join-{join}: {{on: [{base}, {', '.join(parts)}], run: 'cat {' '.join('/' + p for p in parts)} > /join-{join}'}}")
        joins[base].append(f"join-{join}")
    lines.append("images:")
    lines += [f"  of-{base}: {{layers: [{base}, {', '.join(joins[base])}]}}" for base in BASES]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stromatekt", type=Path, required=True)
    parser.add_argument("--lab", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stromatekt-bench-") as directory:
        root = Path(directory, "store")
        file = Path(directory, "pipeline.yaml")
        file.write_text(pipeline(), encoding="utf-8")
        environment = {**os.environ, "STROMATEKT_ROOT": str(root)}

        def run(*words: str) -> float:
            start = time.monotonic()
            command = [str(arguments.stromatekt.resolve()), *words]
            subprocess.run(command, check=True, cwd=directory, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return time.monotonic() - start

        try:
            for base in BASES:
                run("image", "load", str(arguments.lab / f"{base}.tar"), "--name", base)
            build = ("build", "--file", str(file), "--output", "type=image", ".")
            plan = ("plan", "--file", str(file), ".")
            first_plan = run(*plan)
            first = run(*build)
            plans = [run(*plan) for _ in range(arguments.runs)]
            cached = [run(*build) for _ in range(arguments.runs)]
        finally:
            run("store", "unmount")
    print(f"{JOINS * (PARTS + 1)} tasks on {len(BASES)} bases, {JOINS} joins; medians of {arguments.runs}, in seconds")
    print(f"  plan of an empty store   {first_plan:.3f} (once)")
    print(f"  build                    {first:.2f} (once)")
    print(f"  plan of what is built    {statistics.median(plans):.3f}")
    print(f"  rebuild from the cache   {statistics.median(cached):.3f}")


if __name__ == "__main__":
    main()
