"""What every command shares: the app they hang on, the terminal, the shop, and how they refuse."""

from typing import Annotated

import typer
from rich.console import Console

from dagster_project.settings import Settings, load, silence_telemetry

silence_telemetry()

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="dearly: build a day, see what is built and what holds, ask what was published, and learn why.",
)
console = Console()
FAILED, WRONG_USAGE, NOT_DELIVERED = 1, 2, 3

ShopOption = Annotated[str | None, typer.Option("--shop", help="a folder in shops/ or a path; DEARLY_SHOP, else demo")]


class Refused(Exception):
    """A sentence for the person at the terminal, and the exit code."""

    def __init__(self, sentence: str, code: int = WRONG_USAGE) -> None:
        super().__init__(sentence)
        self.code = code


def settings_of(shop: str | None) -> Settings:
    try:
        return load(shop=shop)
    except (FileNotFoundError, ValueError) as error:
        raise Refused(str(error)) from None
