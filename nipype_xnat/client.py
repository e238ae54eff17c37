"""The core client: one object for one account on one archive."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path as LocalPath
from typing import TYPE_CHECKING, Any

from . import config as configuration
from .address import Address
from .errors import ConfigurationError, NotFound, UsageError
from .raw import RawRequests
from .transport import Credentials, HttpTransport, Request, Transport

# the rooms of an interface are imported where they are first entered: most scripts need a few
if TYPE_CHECKING:
    from .cache import Cache, Mode
    from .cohort import Cohort
    from .inspection import ArrayData, Inspector, PaintGraph, XpathStore
    from .manage import Manager
    from .select.root import Select
    from .transport.trace import Recorder, TracingTransport

__all__ = ["Interface"]

_ROOMS = ("select", "manage", "inspect", "draw", "array", "xpath")


class Interface(RawRequests):
    """A connection to an XNAT archive.

    Nothing is sent until something is asked. The first request logs in; :meth:`disconnect`, the end
    of a ``with`` block, or the end of the process logs out.

    Parameters
    ----------
    server : str, optional
        Full address, with the context path if the site has one, e.g. ``https://host/xnat``.
    user, password : str, optional
        Account; a user name may have an authentication provider before it (``ldap/jane``). What is
        missing comes from netrc, or is asked for at a terminal. With no argument at all the account
        that is switched on in ``~/.xnatPass`` is taken.
    config : path, optional
        JSON file ``{"server": ..., "user": ..., "password": ...}``, used regardless of the
        arguments above.
    anonymous : bool
        Do not log in: public data only.
    proxy : str, optional
        Address of an HTTP proxy.
    verify : bool or str, optional
        Check TLS certificates, or a file of certificates to trust.
    cache : path, optional
        Folder for files; by default ``NIPYPE_XNAT_CACHE`` or ``~/.cache/nipype_xnat``.
    cache_layers : sequence of path, optional
        Other caches that are looked up first and never written, such as one of the whole site; by
        default those that ``NIPYPE_XNAT_CACHE_LAYERS`` names, separated as in ``PATH``.
    cache_mode : str
        How far the archive is asked: ``online`` (for listings, and for files that differ),
        ``revalidate`` (again for what was listed earlier), ``prefer-cached`` (only for what is not
        here), or ``offline`` (never); by default what ``NIPYPE_XNAT_CACHE_MODE`` says, or
        ``online``.
    metadata_age : float
        Seconds for which this process uses an answer about metadata again, unless it changed
        something; 0 asks always.
    offline : bool, optional
        Ask a mirror instead of the server; no request leaves the machine. By default as
        ``NIPYPE_XNAT_OFFLINE`` says.
    mirror : path, optional
        The mirror's folder; by default the one that ``NIPYPE_XNAT_MIRROR`` names.
    outbox : path, optional
        Where changes wait that are made offline; by default the folder that ``NIPYPE_XNAT_OUTBOX``
        names, or ``MIRROR.outbox``.
    event_reason : str
        Why things are changed, for sites that demand a reason with each change.
    connections : int
        Most connections of this object to the server at once.
    machine_connections : int, optional
        Most connections to the server of all processes of this user on this machine together; by
        default what ``NIPYPE_XNAT_CONNECTIONS`` says, or 16; 0 sets no such limit.
    adaptive : bool
        Use fewer connections at once while the server is slow or says that it is busy.
    interactive : bool
        Whether a person at a terminal may be asked for what is missing.

    Raises
    ------
    ConfigurationError
        If server or account are missing or cannot be read.

    Examples
    --------
    >>> from nipype_xnat import Interface
    >>> archive = Interface(config="xnat.json")  # doctest: +SKIP
    >>> archive.select("/projects/*/subjects").get("label")  # doctest: +SKIP
    """

    def __init__(
        self,
        server: str | None = None,
        user: str | None = None,
        password: str | None = None,
        config: str | LocalPath | None = None,
        anonymous: bool = False,
        proxy: str | None = None,
        verify: bool | str | None = None,
        *,
        cache: str | LocalPath | None = None,
        cache_layers: Sequence[str | LocalPath] | None = None,
        cache_mode: str = "",
        metadata_age: float = 1.0,
        offline: bool | None = None,
        mirror: str | LocalPath | None = None,
        outbox: str | LocalPath | None = None,
        event_reason: str = "",
        connections: int = 8,
        machine_connections: int | None = None,
        adaptive: bool = True,
        interactive: bool = True,
    ) -> None:
        self.event_reason = event_reason
        self.connections = connections
        self.machine_connections = configuration.machine_connections(machine_connections)
        self.adaptive = adaptive
        self.offline = configuration.offline(offline)
        self._cache_folder = configuration.cache_folder(cache)
        self._cache_layers = configuration.cache_layers(cache_layers)
        self._metadata_age = metadata_age
        self._http: HttpTransport | None = None
        self._transport: Transport
        if self.offline:
            self._mode_name = "online"
            self._open(configuration.mirror_folder(mirror), outbox, server)
        else:
            self._mode_name = configuration.cache_mode(cache_mode)
            self._connect(
                configuration.connection(
                    server,
                    user,
                    password,
                    config=config,
                    anonymous=anonymous,
                    verify=verify,
                    proxy=proxy,
                    interactive=interactive,
                )
            )
        self._traced: TracingTransport | None = None
        self.callback: Callable[[Any, Any], object] | None = None

    def _connect(self, found: configuration.Connection) -> None:
        from .cache import RememberingTransport

        self._http = HttpTransport(
            found.server,
            found.credentials,
            verify=found.verify,
            proxy=found.proxy,
            connections=self.connections,
            machine_connections=self.machine_connections,
            adaptive=self.adaptive,
        )
        self._transport = RememberingTransport(self._http, self._metadata_age, self._mode())

    def _open(self, folder: LocalPath, outbox: str | LocalPath | None, server: str | None) -> None:
        from .mirror import OfflineTransport  # needs the local archive, which is an extra

        mirror = OfflineTransport(folder, outbox=configuration.outbox_folder(outbox, folder))
        if server is not None and server.rstrip("/") != mirror.server:
            raise ConfigurationError(
                f"{folder} is a mirror of {mirror.server}, not of {server}",
                advice="name the mirror of this server, or no server",
            )
        self._transport = mirror
        # what the mirror holds is read where it lies
        self._cache_layers = (*self._cache_layers, mirror.folder.bytes.root)

    @cached_property
    def select(self) -> Select:
        """Elements by path, and rows of a data type; see :class:`nipype_xnat.Select`."""
        from .select.root import Select

        return Select(self)

    @cached_property
    def manage(self) -> Manager:
        """Saved searches, projects, accounts, schemas and the prearchive."""
        from .manage import Manager

        return Manager(self)

    @cached_property
    def inspect(self) -> Inspector:
        """Data types, fields, values and the structure of projects."""
        from .inspection import Inspector

        return Inspector(self)

    @cached_property
    def draw(self) -> PaintGraph:
        """Pictures of the structure of projects."""
        from .inspection import PaintGraph

        return PaintGraph(self)

    @cached_property
    def array(self) -> ArrayData:
        """Tables of scans, experiments and the like, by constraints."""
        from .inspection import ArrayData

        return ArrayData(self)

    @cached_property
    def xpath(self) -> XpathStore:
        """XPath questions to the documents of subjects."""
        from .inspection import XpathStore

        return XpathStore(self)

    def _leave_rooms(self) -> None:
        for room in _ROOMS:
            self.__dict__.pop(room, None)

    @property
    def transport(self) -> Transport:
        """The seam to the archive."""
        return self._traced or self._transport

    @property
    def server(self) -> str:
        """Address of the archive."""
        return self._transport.server

    @property
    def user(self) -> str:
        """Name of the account, empty for nobody."""
        return self._transport.account

    # pyxnat's names for the three
    _server = server
    _user = user
    _callback = property(lambda self: self.callback)

    @property
    def cache(self) -> Cache:
        """Where files are kept."""
        from .cache import Cache

        return Cache(self._cache_folder, layers=self._cache_layers, mode=self._mode())

    def _mode(self) -> Mode:
        from .cache import Mode

        return Mode(self._mode_name)

    @property
    def cache_mode(self) -> str:
        """How far the archive, or the mirror, is asked; see :class:`nipype_xnat.cache.Mode`."""
        return self._mode_name

    def version(self) -> dict[str, Any]:
        """Return what the server says of itself: ``version``, ``buildDate`` and more."""
        address = Address.of("xapi", "siteConfig", "buildInfo")
        try:
            answer = self.transport.send(Request("GET", address, expect="json"))
        except NotFound:  # before XNAT 1.7
            text = self.transport.send(Request("GET", Address.of("data", "version"))).text()
            return {"version": text.strip()}
        found: dict[str, Any] = answer.json()
        return found

    def cohort(
        self,
        templates: Mapping[str, str],
        criteria: Any = None,
        *,
        level: str = "experiment",
    ) -> Cohort:
        """Resolve a cohort once, in few requests.

        Parameters
        ----------
        templates : mapping of str to str
            Select paths that go down to files, by the name of the output that they fill; all of
            them about the same experiments.
        criteria : str or list or Criteria, optional
            See :mod:`nipype_xnat.search.criteria`.
        level : str
            ``experiment``: the sessions that fulfil the criteria. ``subject``: all sessions of the
            subjects of which something fulfils them.

        Returns
        -------
        Cohort
            A record for each session that has everything, and what is missing of the others.

        Raises
        ------
        SelectSyntaxError, CriteriaError
            Before any request.
        """
        from .cohort import resolve

        return resolve(self.transport, templates, criteria, level=level)

    def trace(self, path: str | LocalPath | None = None) -> Recorder:
        """Record each request from now on, until the end of a ``with`` block.

        Each call is logged too, by the logger ``nipype_xnat.trace``. Secrets are masked, and bodies
        are not kept.

        Parameters
        ----------
        path : path, optional
            Where a HAR file is written at the end, which the network tools of a browser open.

        Returns
        -------
        Recorder
            Holds the calls.

        Examples
        --------
        >>> with archive.trace("calls.har") as calls:  # doctest: +SKIP
        ...     archive.select.projects().get()
        >>> print(*calls, sep="\\n")  # doctest: +SKIP
        """
        from .transport.trace import Recorder

        recorder = Recorder(path, self._untrace)
        before = self._traced.recorders if self._traced else ()
        self._trace_with((*before, recorder))
        return recorder

    def _untrace(self, ended: Recorder) -> None:
        assert self._traced is not None
        self._trace_with(tuple(one for one in self._traced.recorders if one is not ended))

    def _trace_with(self, recorders: tuple[Recorder, ...]) -> None:
        self._traced = None
        if recorders:
            from .transport.trace import TracingTransport

            self._traced = TracingTransport(self._transport, *recorders)
        if self._http is not None:
            self._http.on_login = self._traced.login if self._traced else None

    def save_config(
        self, location: str | LocalPath, credentials: Credentials | None = None
    ) -> None:
        """Write server and account to a JSON file that only its owner can read.

        Parameters
        ----------
        location : path
        credentials : Credentials, optional
            Others than its own, such as a token.
        """
        if self._http is None:
            raise UsageError(
                "a mirror has no account to save", advice="save it while the server can be reached"
            )
        configuration.save(
            location,
            self.server,
            credentials or self._http.credentials,
            verify=self._http.verify,
            proxy=self._http.proxy,
        )

    def load_config(self, location: str | LocalPath) -> None:
        """Log out, and connect to the server of another configuration file.

        Parameters
        ----------
        location : path

        Raises
        ------
        ConfigurationError
            If it cannot be read; the connection stays as it was.
        """
        found = configuration.connection(config=location)
        self.disconnect()
        self._connect(found)
        self._trace_with(self._traced.recorders if self._traced else ())
        self._leave_rooms()

    def set_logging(self, level: int = 0) -> None:
        """Say from which level on this package logs, as :mod:`logging` numbers them."""
        logging.getLogger(__package__).setLevel(level)

    def disconnect(self) -> None:
        """Log out; a later request logs in again."""
        self._transport.close()

    close_jsession = disconnect

    def __enter__(self) -> Interface:
        return self

    def __exit__(self, *exc: object) -> None:
        self.disconnect()

    def __getstate__(self) -> dict[str, Any]:
        # the transport pickles without its session and without a password
        state = self.__dict__.copy()
        for room in _ROOMS:
            state.pop(room, None)
        state["callback"] = state["_traced"] = None
        return state

    def __repr__(self) -> str:
        where = f"a mirror of {self.server}" if self.offline else self.server
        return f"<Interface {where} as {self.user or 'nobody'}>"
