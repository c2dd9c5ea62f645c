"""`dearly dev` and `dearly mlflow` are the server they start."""

import subprocess
import sys


def test_a_server_runs_under_the_commands_own_pid() -> None:
    """A kill of `dearly dev` left Dagster's webserver and scheduler running, on the store's lease."""
    server = "import os; print(os.getpid(), os.getcwd(), os.environ['HERE'])"
    code = f"import sys; from pathlib import Path; from dagster_project.cli.servers import become; become([sys.executable, '-c', {server!r}], Path('/'), {{'HERE': 'yes'}})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate(timeout=60)
    assert said.split() == [str(process.pid), "/", "yes"]
