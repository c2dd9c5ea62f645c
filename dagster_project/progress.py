"""What a run is doing right now, for the person who waits. Silent unless a display is on."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.live import Live
from rich.text import Text

from dagster_project.stages import STAGES

# Seconds after which whoever reads a log should hear something.
SILENCE = 4


class Display:
    """What each stage is at: a line a stage on a terminal; elsewhere a line when a stage begins, and after that one every few seconds."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.at: dict[str, str] = {}
        self.counted: dict[str, int] = {}
        self.note = ""
        self.printed = 0.0
        self.began = monotonic()
        self.live = Live(console=console, refresh_per_second=8, transient=True)

    def tell(self, stage: str, what: str) -> None:
        self.at[stage] = what
        self.counted[stage] = self.counted.get(stage, 0) + 1
        if self.console.is_terminal:
            self.live.update(self.picture())
        elif self.counted[stage] == 1 or self.seconds() - self.printed >= SILENCE:
            self.printed = self.seconds()
            self.console.print(f"{self.printed:5.0f} s  {stage:<12} {what}", highlight=False, markup=False)

    def say(self, note: str) -> None:
        self.note, self.at, self.counted = note, {}, {}
        self.console.print(f"{self.seconds():5.0f} s  [bold]{note}[/]", highlight=False)

    def seconds(self) -> float:
        return monotonic() - self.began

    def picture(self) -> Text:
        lines = []
        for stage in STAGES:
            if stage in self.at:
                lines.append(f"  ✓ {stage:<12} {self.counted[stage]:>3} steps, at {self.at[stage]}")
            else:
                lines.append(f"    {stage}")
        return Text("\n".join([f"{self.seconds():5.0f} s  {self.note}", *lines]))


_display: Display | None = None


def tell(stage: str, what: str) -> None:
    """A stage has come to something: a table landed, a model built, a mail rendered."""
    if _display is not None:
        _display.tell(stage, what)


def say(note: str) -> None:
    """A part of the run begins."""
    if _display is not None:
        _display.say(note)


@contextmanager
def shown(console: Console) -> Iterator[None]:
    """Show progress while this lasts: live on a terminal, a line per stage elsewhere."""
    global _display
    _display = Display(console)
    try:
        if console.is_terminal:
            with _display.live:
                yield
        else:
            yield
    finally:
        _display = None
