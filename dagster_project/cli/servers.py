"""Other tools' pages on the shop's store."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from dagster_project.cli.common import ShopOption, app, settings_of
from dagster_project.settings import REPOSITORY


@app.command()
def mlflow(shop: ShopOption = None, port: int = 5000) -> None:
    """Open the MLflow UI on the shop's store (on this machine only)."""
    settings = settings_of(shop)
    store = settings.tracking_uri
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store, "--host", "127.0.0.1", "--port", str(port)]
    become(command, settings.store, os.environ)


@app.command()
def dev(shop: ShopOption = None, port: int = 3000) -> None:
    """Open the Dagster UI on the shop's store (on this machine only)."""
    from dagster_project.runs import dagster_home

    settings = settings_of(shop)
    environment = {**os.environ, "DAGSTER_HOME": str(dagster_home(settings)), "DEARLY_SHOP": str(settings.shop_folder)}
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    become(command, REPOSITORY, environment)


def become(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> NoReturn:
    """Run a server in this process's place, so that what ends `dearly dev` (a signal to its pid) ends the server and leaves no orphan."""
    # A shell that starts it in the background has it ignore the signal by which Dagster ends its own processes.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.chdir(folder)
    os.execve(command[0], list(command), environment)  # noqa: S606 - our own command, no shell wanted
