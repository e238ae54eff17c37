"""An archive: one folder with a database and file contents."""

from __future__ import annotations

import fcntl
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import sqlalchemy as sa

from nipype_xnat.archive import datatypes, people, values
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.errors import ReadOnly, Refused
from nipype_xnat.archive.people import Person
from nipype_xnat.archive.query.kept import KeptTables
from nipype_xnat.archive.site import Site
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.archive.storage.blobs import Blobs
from nipype_xnat.archive.storage.database import Database

Middleware = Callable[[Callable[..., Any]], Callable[..., Any]]


class Logged(NamedTuple):
    """One request that was answered."""

    method: str
    path: str
    query: str
    status: int


class Archive:
    """An XNAT archive in a folder.

    Parameters
    ----------
    root : Path or str
        The folder; it is made when absent, and everything is kept in it.
    site : Site, optional
        What this site decides differently.
    read_only : bool
        Whether to read an archive that was closed, as any number of processes may at
        once, without writing anything into its folder. Changes are refused, and so is
        opening the folder for writing meanwhile.

    Raises
    ------
    Refused
        When another process has the folder open for writing; and, for reading only,
        when it holds no archive or one that was not closed.

    Attributes
    ----------
    requests : deque of Logged
        The requests answered while running, the oldest first (a million at most).

    Examples
    --------
    >>> import tempfile
    >>> archive = Archive(tempfile.mkdtemp())
    >>> with archive.running() as url:
    ...     url.startswith("http://127.0.0.1:")
    True
    >>> archive.close()
    """

    def __init__(self, root: Path | str, site: Site | None = None, *, read_only: bool = False):
        self.root = Path(root)
        self.site = site or Site()
        self.read_only = read_only
        self._path = self.root / "archive.sqlite"
        if not read_only:
            self.root.mkdir(parents=True, exist_ok=True)
        self._claim: IO[str] | None = None
        self._guard = threading.Lock()
        self.dictionary = datatypes.load(tuple(self.site.datatypes))
        self.kept_tables = KeptTables()
        self.requests: deque[Logged] = deque(maxlen=1_000_000)
        #: log-in sessions opened and ended since the archive was made
        self.logins = 0
        self.logouts = 0
        self._take()
        try:
            self._open()
        except BaseException:
            self._let_go()
            raise

    def _take(self) -> None:
        # two servers on one folder would not see each other's catalogs change, and what
        # reads an unchanging folder would not see any change; many may read
        lock = self.root / "lock"
        if self.read_only:
            if not self._path.is_file():
                raise Refused(f"{self.root} holds no archive")
            if not lock.exists():
                return  # a copy
        handle = open(lock, "r" if self.read_only else "w")  # noqa: SIM115
        wanted = fcntl.LOCK_SH if self.read_only else fcntl.LOCK_EX
        try:
            fcntl.flock(handle, wanted | fcntl.LOCK_NB)
        except OSError as error:
            handle.close()
            raise Refused(f"{self.root} is in use by another archive process") from error
        self._claim = handle

    def _open(self) -> None:
        self._unclean = self.root / "running"
        if self.read_only and (self._unclean.exists() or _unfinished(self._path)):
            raise Refused(
                f"{self.root} was not closed by the process that wrote it; open it for writing "
                "and close it, and it can be read"
            )
        self.database = Database(self._path, self.site.durable, self.read_only)
        self.blobs = Blobs(self.root, self.site.durable, self.read_only)
        if self.read_only:
            return
        with self.database.change() as connection:
            known = connection.execute(sa.select(sa.func.count()).select_from(s.account)).scalar()
            if not known:
                self._first_account(connection)
        # only after a crash can contents lie about that no row speaks of
        if self._unclean.exists():
            self.blobs.sweep(self._names_in_use)
        self._unclean.touch()

    def _names_in_use(self, front: str) -> set[str]:
        found: set[str] = set()
        with self.database.read() as connection:
            for table in (s.file, s.prearchive_file):
                name = table.c.blob
                query = sa.select(name).where(name >= front, name < front + "g")
                found.update(connection.execute(query).scalars())
        return found

    def _let_go(self) -> None:
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def _first_account(self, connection: sa.engine.Connection) -> None:
        connection.execute(
            s.account.insert().values(
                login=self.site.admin,
                password=people.hash_password(self.site.password),
                firstname="Admin",
                lastname="Admin",
                email=f"{self.site.admin}@localhost",
                admin=True,
                modified=values.now(),
            )
        )

    @property
    def open_sessions(self) -> int:
        """Log-ins minus log-outs."""
        return self.logins - self.logouts

    def count_session(self, opened: bool) -> None:
        """Note that a log-in session was opened or ended."""
        with self._guard:
            if opened:
                self.logins += 1
            else:
                self.logouts += 1

    @contextmanager
    def reading(self, who: Person) -> Iterator[Elements]:
        """Look at one state of the archive on behalf of a person."""
        with self.database.read() as connection:
            yield Elements(connection, who, self.dictionary, self.site)

    @contextmanager
    def changing(self, who: Person) -> Iterator[Elements]:
        """Change the archive on behalf of a person; all or nothing."""
        with self.database.change() as connection:
            yield Elements(connection, who, self.dictionary, self.site)

    def add_user(
        self,
        login: str,
        password: str,
        *,
        admin: bool = False,
        firstname: str = "",
        lastname: str = "",
        email: str = "",
    ) -> None:
        """Make an account, or give an existing one a new password."""
        with self.database.change() as connection:
            connection.execute(s.account.delete().where(s.account.c.login == login))
            connection.execute(
                s.account.insert().values(
                    login=login,
                    password=people.hash_password(password),
                    firstname=firstname or login,
                    lastname=lastname or login,
                    email=email or f"{login}@localhost",
                    admin=admin,
                    modified=values.now(),
                )
            )

    def default_password(self) -> bool:
        """Tell whether the first account still has the password everybody knows."""
        with self.database.read() as connection:
            row = people.find_account(connection, "admin")
        return row is not None and people.check_password(row["password"], "admin")

    def reset(self) -> None:
        """Forget everything, but keep serving."""
        with self.database.change() as connection:
            for table in reversed(s.metadata.sorted_tables):
                connection.execute(table.delete())
            self._first_account(connection)
        self.blobs.clear()
        self.kept_tables.clear()
        self.requests.clear()

    def running(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        middleware: Sequence[Middleware] = (),
        threads: int = 32,
        certificate: tuple[str, str] | None = None,
    ) -> AbstractContextManager[str]:
        """Serve the archive over HTTP as long as the context lasts.

        Parameters
        ----------
        port : int
            0 takes a free one.
        host : str
            The address to listen on.
        middleware : sequence of callable
            Each takes a WSGI application and returns one; the first is the outermost.
        threads : int
            Requests worked on at once.
        certificate : tuple of str, optional
            Files of a certificate and its key, for TLS.

        Returns
        -------
        context manager
            It gives the base URL, without a slash at the end.
        """
        from nipype_xnat.server.run import serving

        return serving(
            self,
            port=port,
            host=host,
            middleware=middleware,
            threads=threads,
            certificate=certificate,
        )

    def seed(self, source: Path | str | Mapping[str, Any]) -> None:
        """Fill the archive with projects, subjects, sessions, files and users.

        What is there already is changed to what the source says; nothing is removed.

        Parameters
        ----------
        source : Path, str or mapping
            A JSON file with a description, a folder ``PROJECT/SUBJECT/SESSION/SCAN/
            RESOURCE/files``, or a description itself.

        Raises
        ------
        Invalid
            When the source is not understood, or what it describes is refused.

        Examples
        --------
        >>> import tempfile
        >>> archive = Archive(tempfile.mkdtemp())
        >>> archive.seed({"projects": {"P": {"subjects": {"S1": {"fields": {"age": 30}}}}}})
        >>> archive.close()
        """
        from nipype_xnat.server.seeding import seed

        seed(self, source)

    def close(self) -> None:
        """Let go of the folder."""
        self.database.close()
        if self._claim is not None and not self.read_only:
            self._unclean.unlink(missing_ok=True)
        self._let_go()

    def destroy(self) -> None:
        """Let go of the folder, and remove it."""
        if self.read_only:
            raise ReadOnly
        self.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _unfinished(database: Path) -> bool:
    """Tell whether changes stand beside a database that are not in it yet."""
    log = database.with_name(database.name + "-wal")
    return log.exists() and log.stat().st_size > 0
