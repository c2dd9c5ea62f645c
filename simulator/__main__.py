"""`python -m simulator OUT`: writes a demo shop into a folder."""

import argparse
import sys
from datetime import date
from pathlib import Path

from simulator import generate


def main() -> int:
    """Reads the options and writes the shop; exit code 2 for arguments that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description="Write a demo shop's raw extracts and its truth.")
    parser.add_argument("out", type=Path, help="an empty or new folder")
    parser.add_argument("--customers", type=int, default=5000, help="real people (default 5000)")
    parser.add_argument("--months", type=int, default=24, help="months of history (default 24)")
    parser.add_argument("--days", type=int, default=14, help="last days that come as daily extracts (default 14)")
    parser.add_argument("--seed", type=int, default=7, help="another seed is another shop (default 7)")
    parser.add_argument("--last-day", type=date.fromisoformat, default=date(2026, 3, 14), help="default 2026-03-14")
    parser.add_argument("--processes", type=int, default=2, help="how many write side by side, to the same bytes (default 2)")
    options = parser.parse_args()
    try:
        generate(options.out, options.customers, options.months, options.days, options.seed, options.last_day, options.processes)
    except (ValueError, FileExistsError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
