"""Something done in a process of its own, which may be killed."""

import multiprocessing
from collections.abc import Callable


def exit_code_of(target: Callable[..., None], *given: object) -> int:
    """The exit code of a child that calls `target` (a function of a module), negative for a signal."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dagster_project.runs", "dagster_project.privacy.erasing"])
    child = context.Process(target=target, args=given)
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode
