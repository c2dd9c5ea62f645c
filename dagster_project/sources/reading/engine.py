"""A database of a thread's own, for questions about texts."""

import threading

import duckdb

ENGINES = threading.local()


def engine() -> duckdb.DuckDBPyConnection:
    """A thread's database of its own, in memory, for questions about texts; opening one costs more than most chunks."""
    if not hasattr(ENGINES, "engine"):
        ENGINES.engine = duckdb.connect(config={"threads": 1})
        # For its cursors too, which take over no setting of a session.
        ENGINES.engine.execute("set global TimeZone = 'UTC'")
    connection: duckdb.DuckDBPyConnection = ENGINES.engine
    return connection
