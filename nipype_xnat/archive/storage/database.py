"""Opening the database, and the two ways of using it: reading and changing."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.util import LRUCache

from nipype_xnat.archive.errors import ReadOnly
from nipype_xnat.archive.storage import schema

#: statements as text, by their shape, for all databases of a process: mirrors and tests open many
_COMPILED: LRUCache[Any, Any] = LRUCache(1000)


def _lower(text: Any) -> str | None:
    return None if text is None else str(text).lower()


class Database:
    """One SQLite file.

    Readers never wait; changes are made one after the other.

    Parameters
    ----------
    path : Path
        The database file, made when absent.
    durable : bool
        Whether each commit is forced to disk.
    read_only : bool
        Whether to read a file that nobody changes meanwhile, without writing anything.
    """

    def __init__(self, path: Path, durable: bool = True, read_only: bool = False):
        self.path = path
        self.read_only = read_only
        #: another number after each change
        self.state = 0
        self._lock = threading.RLock()
        self._idle: deque[Connection] = deque()
        address = f"{path.resolve().as_uri()}?" + ("mode=ro&immutable=1" if read_only else "")

        def connect() -> Any:
            return sqlite3.connect(
                address, timeout=30, check_same_thread=False, uri=True, cached_statements=256
            )

        pool = sa.QueuePool(connect, pool_size=64, max_overflow=64, dialect=_dialect())
        self._engine = sa.Engine(
            pool,
            _dialect(),
            sa.make_url("sqlite://"),
            execution_options={"compiled_cache": _COMPILED},
        )
        synchronous = "FULL" if durable else "OFF"

        @event.listens_for(self._engine, "connect")
        def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
            # SQLAlchemy's own BEGIN is switched off: the driver's would come too late
            connection.isolation_level = None
            if not read_only:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(f"PRAGMA synchronous={synchronous}")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA case_sensitive_like=OFF")
            # SQLite's own knows no letters but those of ASCII
            connection.create_function("lower", 1, _lower, deterministic=True)

        @event.listens_for(self._engine, "begin")
        def _begin(connection: Connection) -> None:
            changing = connection.get_execution_options().get("changing")
            driver: Any = connection.connection.dbapi_connection
            driver.execute("BEGIN IMMEDIATE" if changing else "BEGIN")

        if not read_only:
            with self.change() as connection:
                made: Any = connection.connection.driver_connection
                for statement in _making():
                    made.execute(statement)
                _tell_statistics(connection)
            # they are read when a connection is opened
            self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the archive throughout."""
        # taking one from the engine's pool and giving it back costs as much as a question
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._engine.connect()
        try:
            with connection.begin():
                yield connection
        finally:
            if connection.invalidated:
                connection.close()
            else:
                self._idle.append(connection)

    @contextmanager
    def change(self) -> Iterator[Connection]:
        """Give a connection whose changes are kept as a whole, or not at all.

        Raises
        ------
        ReadOnly
            When the archive was opened for reading only.
        """
        if self.read_only:
            raise ReadOnly
        with self._lock, self._engine.connect() as connection:
            connection.execution_options(changing=True)
            with connection.begin():
                yield connection
            self.state += 1

    def close(self) -> None:
        """Give up all connections."""
        while self._idle:
            self._idle.pop().close()
        self._engine.dispose()


@cache
def _dialect() -> sa.Dialect:
    """Give the dialect of all databases: what was compiled for another one is no use."""
    engine = sa.create_engine("sqlite://")
    with engine.connect():
        pass  # the dialect learns which SQLite this is
    engine.dispose()
    return engine.dialect


@cache
def _making() -> tuple[str, ...]:
    """Give the statements that make what a database lacks of tables and indexes."""
    tables = schema.metadata.sorted_tables
    indexes = [index for table in tables for index in sorted(table.indexes, key=str)]
    wanted: list[CreateTable | CreateIndex] = [
        *(CreateTable(table, if_not_exists=True) for table in tables),
        *(CreateIndex(index, if_not_exists=True) for index in indexes),
    ]
    return tuple(str(one.compile(dialect=sqlite.dialect())) for one in wanted)


def _tell_statistics(connection: Connection) -> None:
    """Write down what SQLite is to assume about the indexes, if that is not there yet."""
    table = schema.sqlite_stat1
    if not sa.inspect(connection).has_table(table.name):
        connection.exec_driver_sql("ANALYZE")  # makes the table
    wanted = {
        (name, index, stat)
        for name, indexes in schema.STATISTICS.items()
        for index, stat in indexes.items()
    }
    if {tuple(row) for row in connection.execute(sa.select(table))} == wanted:
        return
    connection.execute(table.delete())
    connection.execute(
        table.insert(), [dict(zip(("tbl", "idx", "stat"), row, strict=True)) for row in wanted]
    )
