"""A database of a thread's own, for questions about texts."""

import threading

import duckdb

ENGINES = threading.local()


def engine() -> duckdb.DuckDBPyConnection:
    """A thread's database of its own, in memory, for questions about texts; opening one costs more than most chunks."""
    if not hasattr(ENGINES, "engine"):
        ENGINES.engine = duckdb.connect(config={"threads": 1})
        ENGINES.engine.execute("set TimeZone = 'UTC'")
    connection: duckdb.DuckDBPyConnection = ENGINES.engine
    return connection
