"""Opening the database, and the two ways of using it: reading and changing."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection

from nipype_xnat.archive.storage import schema


class Database:
    """One SQLite file.

    Readers never wait; changes are made one after the other.

    Parameters
    ----------
    path : Path
        The database file, made when absent.
    durable : bool
        Whether each commit is forced to disk.
    """

    def __init__(self, path: Path, durable: bool = True):
        self.path = path
        self._lock = threading.RLock()
        self._idle: deque[Connection] = deque()
        self._engine = sa.create_engine(
            f"sqlite:///{path}",
            pool_size=64,
            max_overflow=64,
            connect_args={"check_same_thread": False, "timeout": 30},
        )
        synchronous = "FULL" if durable else "OFF"

        @event.listens_for(self._engine, "connect")
        def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
            # SQLAlchemy's own BEGIN is switched off: the driver's would come too late
            connection.isolation_level = None
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={synchronous}")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA case_sensitive_like=OFF")

        @event.listens_for(self._engine, "begin")
        def _begin(connection: Connection) -> None:
            changing = connection.get_execution_options().get("changing")
            driver: Any = connection.connection.dbapi_connection
            driver.execute("BEGIN IMMEDIATE" if changing else "BEGIN")

        with self.change() as connection:
            schema.metadata.create_all(connection)

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
        """Give a connection whose changes are kept as a whole, or not at all."""
        with self._lock, self._engine.connect() as connection:
            connection.execution_options(changing=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Give up all connections."""
        while self._idle:
            self._idle.pop().close()
        self._engine.dispose()
