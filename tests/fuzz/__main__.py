"""Hunt for inputs that break a reader: `python -m tests.fuzz [SECONDS] [NAME,...]`, by all targets in turn."""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.mutation import find_targets, hunt


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    names = sys.argv[2].split(",") if len(sys.argv) > 2 else []
    chosen = [target for target in find_targets() if not names or target.name in names]
    faults = []
    with TemporaryDirectory() as folder:
        for target in chosen:
            tried, fault = hunt(target, Path(folder), seconds / len(chosen), seed=time.time_ns())
            print(f"{target.name}: {tried:,} inputs" + (f"\n{fault}" if fault else ""), flush=True)
            faults.append(fault)
    return int(any(faults))


if __name__ == "__main__":
    sys.exit(main())
