"""Several archives asked as one."""

from __future__ import annotations

import queue
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .client import Interface
from .errors import UsageError, XNATError, XNATWarning
from .records import Record
from .search import Table, parse
from .select.selection import Selection

if TYPE_CHECKING:
    from .select.element import Element

__all__ = ["FederatedSearch", "FederatedSelection", "Federation"]

T = TypeVar("T")

_AHEAD = 200  # elements that are read ahead of an archive while another one is taken
_END = object()


class Federation:
    """Several archives that are selected from and searched at once.

    Parameters
    ----------
    archives : sequence of Interface, or mapping of str to Interface
        With names of their own; otherwise each is called by its server's address.
    survive : bool
        Go on without an archive that fails, with a warning; what happened stands in
        :attr:`problems`. Otherwise the first failure is raised.

    Examples
    --------
    >>> both = Federation({"here": here, "there": there}, survive=True)  # doctest: +SKIP
    >>> for scan in both.select("//scans/*[type=T1w]"):  # doctest: +SKIP
    ...     print(both.origin(scan), scan.label())
    """

    def __init__(
        self, archives: Sequence[Interface] | Mapping[str, Interface], *, survive: bool = False
    ) -> None:
        if isinstance(archives, Mapping):
            named = dict(archives)
        else:
            named = {archive.server: archive for archive in archives}
            if len(named) < len(archives):
                raise UsageError(
                    "two of the archives have the same address",
                    advice="give a dict, with a name for each",
                )
        if not named:
            raise UsageError("a federation needs archives")
        self.archives = named
        self.survive = survive
        self.problems: dict[str, XNATError] = {}
        """What went wrong in the last reading, by the archive's name."""

    def select(self, datatype_or_path: str, columns: Sequence[str] = ()) -> Any:
        """Select elements by path, or rows of a data type, of all archives.

        Parameters
        ----------
        datatype_or_path, columns
            As for :class:`nipype_xnat.Select`.

        Returns
        -------
        FederatedSelection or FederatedSearch

        Raises
        ------
        SelectSyntaxError
            Before any request.
        """
        if columns or not datatype_or_path.startswith("/"):
            return FederatedSearch(self, datatype_or_path, columns)
        parts = {}
        for name, archive in self.archives.items():
            found = archive.select(datatype_or_path)
            if not isinstance(found, Selection):  # one element by exact names
                found = Selection(archive, [found.path])
            parts[name] = found
        return FederatedSelection[Any](self, parts)

    def origin(self, element: Element) -> str:
        """Return the name of the archive that an element is of.

        Raises
        ------
        UsageError
            If it is of none of these.
        """
        for name, archive in self.archives.items():
            if element.archive is archive:
                return name
        raise UsageError(f"{element!r} is of no archive of this federation")

    def disconnect(self) -> None:
        """Log out of all archives."""
        for archive in self.archives.values():
            archive.disconnect()

    def _merged(self, calls: Mapping[str, Callable[[], Iterator[T]]]) -> Iterator[tuple[str, T]]:
        """Read from all archives at once, and yield in the order of the archives."""
        self.problems = {}
        stop = threading.Event()
        readers = {name: _Reader(call, stop) for name, call in calls.items()}
        try:
            for name, reader in readers.items():
                try:
                    for item in reader:
                        yield name, item
                except XNATError as error:
                    self._failed(name, error)
        finally:
            stop.set()

    def _failed(self, name: str, error: XNATError) -> None:
        self.problems[name] = error
        if not self.survive:
            raise error
        warnings.warn(f"without {name}: {error.message}", XNATWarning, stacklevel=5)

    def __enter__(self) -> Federation:
        return self

    def __exit__(self, *exc: object) -> None:
        self.disconnect()

    def __repr__(self) -> str:
        return f"<Federation {', '.join(self.archives)}>"


class FederatedSelection(Generic[T]):
    """The elements that a path names in several archives.

    Parameters
    ----------
    federation : Federation
    parts : mapping of str to Selection
        By the archive's name.
    """

    def __init__(self, federation: Federation, parts: Mapping[str, Selection[Any]]) -> None:
        self._federation = federation
        self.parts = dict(parts)

    def where(self, constraints: Any, *, level: str = "subject") -> FederatedSelection[T]:
        """Keep what fulfils criteria; see :meth:`nipype_xnat.select.selection.Selection.where`."""
        parsed = parse(constraints)
        return FederatedSelection(
            self._federation,
            {name: part.where(parsed, level=level) for name, part in self.parts.items()},
        )

    def __iter__(self) -> Iterator[T]:
        for _, element in self.items():
            yield element

    def items(self) -> Iterator[tuple[str, T]]:
        """Yield the name of the archive and the element."""
        return self._federation._merged({name: part.__iter__ for name, part in self.parts.items()})

    def records(self) -> Iterator[tuple[str, Record]]:
        """Yield the name of the archive and what is known of each element."""
        return self._federation._merged({name: part.records for name, part in self.parts.items()})

    def get(self, *what: str) -> list[Any]:
        """Return ids, labels or objects with the names of their archives.

        Parameters
        ----------
        *what : str
            ``id`` (the default), ``label`` or ``obj``.

        Returns
        -------
        list of tuple
            The archive's name first.
        """
        wanted = what or ("id",)

        def reading(part: Selection[Any]) -> Callable[[], Iterator[Any]]:
            return lambda: iter(part.get(*wanted))

        calls = {name: reading(part) for name, part in self.parts.items()}
        found = self._federation._merged(calls)
        return [(name, *(row if len(wanted) > 1 else (row,))) for name, row in found]

    def first(self) -> T | None:
        """Return the first element, None where there is none."""
        return next(iter(self), None)

    def fetchall(self) -> list[T]:
        """Return all elements."""
        return [element for element in self]  # noqa: C416 - list() would ask for a length

    def explain(self) -> str:
        """Describe the requests that reading sends to each archive; nothing is sent now."""
        return "\n".join(f"{name}\n{part.explain()}" for name, part in self.parts.items())

    def __repr__(self) -> str:
        return f"<FederatedSelection {next(iter(self.parts.values()))!r} of {len(self.parts)}>"


class FederatedSearch:
    """A search of several archives.

    Parameters
    ----------
    federation : Federation
    datatype : str
    columns : sequence of str
    """

    def __init__(self, federation: Federation, datatype: str, columns: Sequence[str]) -> None:
        self._federation = federation
        self.parts = {
            name: archive.select(datatype, columns) for name, archive in federation.archives.items()
        }

    def where(self, constraints: Any, *, order_by: str = "", descending: bool = False) -> Table:
        """Return the rows that fulfil criteria, with the archive's name in the column ``archive``.

        Parameters
        ----------
        constraints, order_by, descending
            See :meth:`nipype_xnat.search.Search.where`; rows of all archives are sorted together.
        """
        parsed = parse(constraints)
        return self._table(lambda part: part.where(parsed), order_by, descending)

    def all(self, *, order_by: str = "", descending: bool = False) -> Table:
        """Return all rows, with the archive's name in the column ``archive``."""
        return self._table(lambda part: part.all(), order_by, descending)

    def _table(self, ask: Callable[[Any], Table], order_by: str, descending: bool) -> Table:
        def reading(part: Any) -> Callable[[], Iterator[Table]]:
            return lambda: iter([ask(part)])

        calls = {name: reading(part) for name, part in self.parts.items()}
        found = list(self._federation._merged(calls))
        columns = [column for _, table in found for column in table.columns]
        table = Table(
            ({"archive": name, **row} for name, part in found for row in part),
            ("archive", *columns),
        )
        return table.order_by(order_by, descending=descending) if order_by else table

    def __repr__(self) -> str:
        return f"<FederatedSearch {next(iter(self.parts.values()))!r} of {len(self.parts)}>"


class _Reader(Generic[T]):
    """Reads one archive in a thread, a little ahead of who takes."""

    def __init__(self, call: Callable[[], Iterator[T]], stop: threading.Event) -> None:
        self._call = call
        self._stop = stop
        self._found: queue.Queue[Any] = queue.Queue(_AHEAD)
        self._error: BaseException | None = None
        threading.Thread(target=self._read, name="xnat-federation", daemon=True).start()

    def _read(self) -> None:
        try:
            for item in self._call():
                if not self._put(item):
                    return
        except BaseException as error:
            self._error = error
        finally:
            self._put(_END)

    def _put(self, item: object) -> bool:
        while not self._stop.is_set():
            try:
                self._found.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[T]:
        while (item := self._found.get()) is not _END:
            yield item
        if self._error is not None:
            raise self._error
