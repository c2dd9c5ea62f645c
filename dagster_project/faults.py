"""Points at which a test kills the process, to prove that a run can end anywhere and a re-run finishes it."""

import os
import signal

from dagster_project.settings import kill_at

# Every point in the order a run passes it; the kill tests go through all of them.
POINTS = (
    "landed",
    "loaded",
    "linked",
    "transformed",
    "scored",
    "decided",
    "rendered",
    "exporting",
    "manifested",
    "exported",
    "publishing",
    "published",
)

# The same of an erasure.
ERASURE_POINTS = ("asked", "ordered", "blanked", "deleted", "rebuilt", "rewriting", "rewritten", "proven")


def fault_point(name: str) -> None:
    """Kill this process here, as `kill -9` would, when DEARLY_KILL_AT names the point."""
    if name not in POINTS + ERASURE_POINTS:
        raise ValueError(f"{name!r} is not among faults.POINTS or ERASURE_POINTS")
    if kill_at() == name:
        os.kill(os.getpid(), signal.SIGKILL)
