"""dearly: build a day, see what is built and what holds, ask what was published, and learn why."""

import sys

from rich.console import Console
from rich.markup import escape

# Each module hangs its commands on the app as it is loaded, in the order of the help page.
from dagster_project.cli import checks_and_drafts, days, explain, identity, models, privacy, replay, servers
from dagster_project.cli.common import FAILED, Refused, app
from dagster_project.failures import Mistake
from dagster_project.garbage import collect_seldom
from dagster_project.lease import LeaseHeld


def main() -> None:
    """The entry point: one clear sentence and an exit code (0 done, 1 failed, 2 wrong usage, 3 built and not delivered, 75 another run holds the store) instead of a traceback."""
    collect_seldom()
    try:
        app()
    except (Refused, Mistake, LeaseHeld) as refused:
        Console(stderr=True).print(f"[bold red]dearly:[/] {escape(str(refused))}", highlight=False, soft_wrap=True)
        sys.exit(refused.code)
    except OSError as error:
        if error.filename is None:
            raise
        Console(stderr=True).print(f"[bold red]dearly:[/] {escape(f'{error.filename}: {error.strerror}')}", highlight=False, soft_wrap=True)
        sys.exit(FAILED)


__all__ = ["app", "checks_and_drafts", "days", "explain", "identity", "main", "models", "privacy", "replay", "servers"]
