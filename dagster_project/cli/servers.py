"""Other tools' pages on the shop's store."""

import os
import subprocess
import sys

import typer

from dagster_project.cli.common import ShopOption, app, settings_of
from dagster_project.settings import REPOSITORY


@app.command()
def mlflow(shop: ShopOption = None, port: int = 5000) -> None:
    """Open the MLflow UI on the shop's store (on this machine only)."""
    settings = settings_of(shop)
    store = f"sqlite:///{settings.store / 'mlflow.db'}"
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store, "--host", "127.0.0.1", "--port", str(port)]
    raise typer.Exit(subprocess.call(command, cwd=settings.store))


@app.command()
def dev(shop: ShopOption = None, port: int = 3000) -> None:
    """Open the Dagster UI on the shop's store (on this machine only)."""
    from dagster_project.runs import dagster_home

    settings = settings_of(shop)
    environment = {**os.environ, "DAGSTER_HOME": str(dagster_home(settings)), "DEARLY_SHOP": str(settings.shop_folder)}
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    raise typer.Exit(subprocess.call(command, cwd=REPOSITORY, env=environment))
