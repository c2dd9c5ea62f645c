"""Dagster's own SQLite event log, on connections that stay open.

Dagster opens, compiles for, and closes a database at every event; a night has some 1,500 of them, and that was a fifth of its time. The tables, the
files and every query are Dagster's; this keeps the newest few connections and asks SQLite for no disk flush at each event: after a power cut the
last lines of a run's log may be missing, never a row of the store.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, _event_logs_directory
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

# The index of all runs, the run at work, and one that somebody looks at.
KEPT_OPEN = 3
BUSY_TIMEOUT_SECONDS = 60


class OpenEventLog(SqliteEventLogStorage):
    """The event log of a process that writes many events: one shard a run, and an index of all, as Dagster has them."""

    def __init__(self, base_dir: str) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            engine = sqlalchemy.create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,
                connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            sqlalchemy.event.listen(engine, "connect", flush_seldom)
            self._initdb(engine)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        while len(self._engines) > KEPT_OPEN:
            self._engines.popitem(last=False)[1].dispose()
        return self._engines[shard]

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; Dagster asks at every event, over a connection made for it, and never drops one."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        """Close every connection, then whatever Dagster holds."""
        while self._engines:
            self._engines.popitem()[1].dispose()
        super().dispose()


def flush_seldom(connection: Any, _record: Any) -> None:
    connection.execute("pragma synchronous = normal")


class OpenStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage with the event log above; named in the instance's dagster.yaml."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = OpenEventLog(_event_logs_directory(base_dir))

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "OpenStorage":
        # Dagster's own names its class here, whichever class dagster.yaml names.
        return cls.from_local(inst_data=inst_data, **config_value)
