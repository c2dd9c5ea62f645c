"""Python's search for cycles of objects, told that a run keeps nearly everything it makes."""

import atexit
import gc
from functools import cache


@cache
def collect_seldom() -> None:
    """Search young objects by the ten thousand, and nothing at the exit.

    Dagster's definitions and dbt's project are a million objects that live to the end: walking them again and again took a seventh of a run
    without news, and seconds after its last line.
    """
    gc.set_threshold(10_000, 10, 10)
    atexit.register(gc.freeze)
