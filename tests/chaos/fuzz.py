"""A random fuzzer for every parser of a stranger's octets: README.md beside this says how to run it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chaos import fuzz_dialects, fuzz_discovery, fuzz_files, fuzz_oauth2, fuzz_pop3
from chaos.fuzz_target import Target, lines, run

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (fuzz_files, fuzz_oauth2, fuzz_discovery, fuzz_pop3, fuzz_dialects)
    for target in module.TARGETS
}


def main() -> int:
    """Run the targets one after the other; 1 if there is anything to mend."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", action="append", choices=(*TARGETS, "all"), help="default: all; may be repeated")
    parser.add_argument("--inputs", type=int, default=1_000_000, metavar="N", help="for each target (%(default)s)")
    parser.add_argument("--seconds", type=float, default=float("inf"), metavar="S", help="for each target at most")
    parser.add_argument("--seed", type=int, default=1, metavar="X")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the number of the first input")
    options = parser.parse_args()
    names = options.target or ["all"]
    failed = False
    for name in TARGETS if "all" in names else names:
        target = TARGETS[name]
        before = _resident()
        report = run(target, target.inputs(options.seed, options.first, options.inputs), seconds=options.seconds)
        growth = f"{(_resident() - before) / 1e6:+.0f} MB"
        print("\n".join(lines(report, options.seed, growth)), flush=True)
        failed = failed or report.failed
    return int(failed)


def _resident() -> int:
    """Octets of memory that this process has."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        return 0


if __name__ == "__main__":
    sys.exit(main())
