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


def test_a_server_that_was_started_in_the_background_hears_the_signal_that_ends_it() -> None:
    """A shell lets what it starts with & ignore the interrupt, and Dagster ends its own processes by it: five of them stayed."""
    server = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    code = f"import sys; from pathlib import Path; from dagster_project.cli.servers import become; become([sys.executable, '-c', {server!r}], Path('/'), {{}})"
    ignoring = (
        f"import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.executable, [sys.executable, '-c', {code!r}])"
    )
    said = subprocess.run([sys.executable, "-c", ignoring], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "True"
