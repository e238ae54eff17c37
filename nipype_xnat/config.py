"""Where a server, an account and the local folders come from; the only reader of the environment.

Secrets are read from files (a JSON configuration, netrc) or typed at a terminal, never from an
environment variable: Nipype writes the whole environment into its result files. A variable may
name a file.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .errors import ConfigurationError, XNATWarning
from .transport import MACHINE_CONNECTIONS, Credentials

__all__ = [
    "CACHE_MODES",
    "CONFIG_VARIABLE",
    "MACHINE_VARIABLE",
    "Connection",
    "account_file",
    "cache_folder",
    "cache_layers",
    "cache_mode",
    "connection",
    "machine_connections",
    "mirror_folder",
    "offline",
    "outbox_folder",
    "save",
    "write_private",
]

CONFIG_VARIABLE = "NIPYPE_XNAT_CONFIG"
"""Environment variable that may name a JSON configuration file."""

ACCOUNTS_FILE = "~/.xnatPass"
"""Where XNAT's own tools, and pyxnat, keep accounts: lines of ``+user@server=password``."""

CACHE_VARIABLE = "NIPYPE_XNAT_CACHE"
"""Environment variable that may name the folder of the cache."""

LAYERS_VARIABLE = "NIPYPE_XNAT_CACHE_LAYERS"
"""Environment variable that may name read-only caches to look into first, as PATH names folders."""

MODE_VARIABLE = "NIPYPE_XNAT_CACHE_MODE"
"""Environment variable that may say how far the archive is asked."""

CACHE_MODES = ("online", "revalidate", "prefer-cached", "offline")
"""How far the archive may be asked; see :class:`nipype_xnat.cache.Mode`."""

OFFLINE_VARIABLE = "NIPYPE_XNAT_OFFLINE"
"""Environment variable that switches to working offline, with a mirror: 1 or 0."""

MIRROR_VARIABLE = "NIPYPE_XNAT_MIRROR"
"""Environment variable that may name the folder of a mirror."""

OUTBOX_VARIABLE = "NIPYPE_XNAT_OUTBOX"
"""Environment variable that may name the folder where changes wait that were made offline."""

MACHINE_VARIABLE = "NIPYPE_XNAT_CONNECTIONS"
"""Environment variable that may say how many connections to a server all processes share."""


@dataclass(frozen=True)
class Connection:
    """A server and who logs in there.

    Parameters
    ----------
    server : str
        Root address.
    credentials : Credentials
    verify : bool or str or None
    proxy : str or None
    source : str
        Where the credentials come from, in words, for messages.
    """

    server: str
    credentials: Credentials
    verify: bool | str | None = None
    proxy: str | None = None
    source: str = ""


def connection(
    server: str | None = None,
    user: str | None = None,
    password: str | None = None,
    *,
    config: str | Path | None = None,
    anonymous: bool = False,
    verify: bool | str | None = None,
    proxy: str | None = None,
    interactive: bool = True,
) -> Connection:
    """Find out which server to ask, and as whom.

    What is given wins; what is missing is looked for in ``config``, in the file that
    ``NIPYPE_XNAT_CONFIG`` names (where it is about this server), in netrc (``NETRC`` or
    ``~/.netrc``), and at last asked for when a person sits at a terminal. Where nothing is given,
    the line of ``~/.xnatPass`` that begins with ``+`` counts: ``+user@server=password``.

    Parameters
    ----------
    server, user, password : str, optional
    config : path, optional
        JSON file ``{"server": ..., "user": ..., "password": ...}``, the one that pyxnat uses; may
        also hold ``verify`` and ``proxy``, and ``account`` where the user is a token of it.
    anonymous : bool
        Do not log in.
    verify, proxy
        See :class:`nipype_xnat.transport.HttpTransport`.
    interactive : bool
        Whether a person may be asked. Jobs set it to False.

    Raises
    ------
    ConfigurationError
        If something is missing, or a file cannot be read.
    """
    if config is None and user is None and not anonymous:
        config = _named_file(server)
    if config is not None:
        found = _of_file(Path(config).expanduser(), verify, proxy)
        if server is not None and found.server.rstrip("/") != server.rstrip("/"):
            raise ConfigurationError(
                f"{config} is about {found.server}, not about {server}",
                advice="give one of the two",
            )
        return found
    terminal = interactive and sys.stdin is not None and sys.stdin.isatty()
    if server is None and user is None and not anonymous and (entry := _pass_entry()):
        user, server, password = entry
        kept = Credentials(user, password, partial(_pass_account, server, user))
        return Connection(server, kept, verify, proxy, ACCOUNTS_FILE)
    if server is None:
        if not terminal:
            raise ConfigurationError(
                "no server was given",
                advice=f"give server=, config=, or name a file in {CONFIG_VARIABLE}",
            )
        server = input("Server: ")
    if anonymous:
        return Connection(server, Credentials(), verify, proxy, "anonymous")
    if user is not None and password is not None:
        return Connection(server, Credentials(user, password), verify, proxy, "arguments")
    stored = _netrc_entry(server)
    if stored is not None and (user is None or user == stored[0]):
        reload = partial(_netrc_account, server)
        return Connection(server, Credentials(stored[0], stored[1], reload), verify, proxy, "netrc")
    if not terminal:
        raise ConfigurationError(
            f"no {'password' if user else 'account'} for this server",
            server=server,
            advice="give config='file.json' (--config file.json to a command), or add the host to "
            "~/.netrc (machine, login, password; mode 0600); anonymous=True reads public data",
        )
    import getpass

    if user is None:
        user = input("User: ")
    return Connection(
        server, Credentials(user, password or getpass.getpass()), verify, proxy, "terminal"
    )


def account_file(found: Connection) -> Path | None:
    """Return the file that the account of a connection was read from; None where it was given."""
    if found.source == "netrc":
        return _netrc_file()
    if found.source == ACCOUNTS_FILE:
        return Path(ACCOUNTS_FILE).expanduser()
    if found.source in ("", "anonymous", "arguments", "terminal"):
        return None
    return Path(found.source)


def _named_file(server: str | None) -> Path | None:
    """Return the file that the environment names, where it is about this server."""
    named = os.environ.get(CONFIG_VARIABLE)
    if not named:
        return None
    path = Path(named).expanduser()
    if server is None:
        return path
    about = str(_read(path).get("server", ""))
    return path if about.rstrip("/") == server.rstrip("/") else None


def _of_file(path: Path, verify: bool | str | None, proxy: str | None) -> Connection:
    values = _read(path)
    missing = [name for name in ("server", "user", "password") if not values.get(name)]
    if missing:
        raise ConfigurationError(
            f"{path} lacks {', '.join(missing)}",
            advice='it must be JSON: {"server": "https://...", "user": "...", "password": "..."}',
        )
    credentials = Credentials(
        str(values["user"]),
        str(values["password"]),
        partial(_account_of, path),
        str(values.get("account", "")),
    )
    return Connection(
        str(values["server"]),
        credentials,
        values.get("verify") if verify is None else verify,
        values.get("proxy") if proxy is None else proxy,
        str(path),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            values = json.loads(stream.read())
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the configuration file {path}: {error.strerror}"
        ) from error
    except ValueError:
        # the text may hold the password, so neither it nor the decoder's error is shown
        raise ConfigurationError(
            f"{path} is not JSON",
            advice='write {"server": "https://...", "user": "...", "password": "..."}',
        ) from None
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} must hold a JSON object")
    _warn_if_shared(path, mode)
    return values


def _account_of(path: Path) -> Credentials | None:
    try:
        return _of_file(path, None, None).credentials
    except ConfigurationError:
        return None


def _netrc_entry(server: str) -> tuple[str, str] | None:
    """Return login and password of netrc for a server, None where it has none.

    The host is looked up with its port first, so that several archives on one host can be kept
    apart; there is no default entry for unknown servers.
    """
    parts = urlsplit(server)
    path = _netrc_file()
    if not parts.hostname or not path.is_file():
        return None
    import netrc

    try:
        hosts = netrc.netrc(str(path)).hosts
    except (netrc.NetrcParseError, OSError) as error:
        reason = error.msg if isinstance(error, netrc.NetrcParseError) else error.strerror
        raise ConfigurationError(f"cannot read {path}: {reason}") from None
    for name in (parts.netloc, parts.hostname):
        if name in hosts:
            login, _, password = hosts[name]
            return (login, password) if login and password else None
    return None


def _netrc_file() -> Path:
    return Path(os.environ.get("NETRC") or Path.home() / ".netrc")


def _netrc_account(server: str) -> Credentials | None:
    entry = _netrc_entry(server)
    return Credentials(*entry) if entry else None


def _pass_entry() -> tuple[str, str, str] | None:
    """Return user, server and password of the line of the password file that is switched on."""
    path = Path(ACCOUNTS_FILE).expanduser()
    if not path.is_file():
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {type(error).__name__}") from None
    chosen = next((line[1:] for line in lines if line.startswith("+")), "")
    user, _, rest = chosen.partition("@")
    server, _, password = rest.partition("=")
    if not (user.strip() and server.strip() and password.strip()):
        # the line may hold a password, so it is not shown
        raise ConfigurationError(
            f"{path} has no line that begins with + and names an account",
            advice="write +user@https://server=password, or give server= or config=",
        )
    _warn_if_shared(path, path.stat().st_mode)
    return user.strip(), server.strip(), password.strip()


def _pass_account(server: str, user: str) -> Credentials | None:
    try:
        entry = _pass_entry()
    except ConfigurationError:
        return None
    return Credentials(user, entry[2]) if entry and entry[:2] == (user, server) else None


def _warn_if_shared(path: Path, mode: int) -> None:
    if mode & 0o077:
        warnings.warn(
            f"{path} holds a password and other users can read it: chmod 600 {path}",
            XNATWarning,
            stacklevel=6,
        )


def save(
    path: str | Path,
    server: str,
    credentials: Credentials,
    *,
    verify: bool | str | None = None,
    proxy: str | None = None,
) -> None:
    """Write a configuration file that only its owner can read.

    Parameters
    ----------
    path : path
        Replaced in one step if it exists.
    server : str
    credentials : Credentials
    verify, proxy
        See :class:`nipype_xnat.transport.HttpTransport`; not written where there are none.
    """
    user = credentials.user
    values: dict[str, Any] = {"server": server, "user": user, "password": credentials.password()}
    if credentials.account != user.rpartition("/")[2]:
        values["account"] = credentials.account
    more = {"verify": verify, "proxy": proxy}
    values.update((name, value) for name, value in more.items() if value is not None)
    write_private(path, values)


def write_private(path: str | Path, values: dict[str, Any]) -> None:
    """Write a JSON file that only its owner can read, in one step.

    Parameters
    ----------
    path : path
    values : dict
    """
    target = Path(path).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:  # mkstemp makes it 0600
            json.dump(values, stream)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def cache_folder(given: str | Path | None = None) -> Path:
    """Return the folder of the cache: given, named by ``NIPYPE_XNAT_CACHE``, or the user's own."""
    if given:
        return Path(given).expanduser()
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "nipype_xnat"


def cache_layers(given: Iterable[str | Path] | None = None) -> tuple[Path, ...]:
    """Return the caches to look into first: given, or named by ``NIPYPE_XNAT_CACHE_LAYERS``."""
    if given is None:
        given = [name for name in os.environ.get(LAYERS_VARIABLE, "").split(os.pathsep) if name]
    return tuple(Path(name).expanduser().absolute() for name in given)


def cache_mode(given: str = "") -> str:
    """Return how far the archive is asked: given, or said by ``NIPYPE_XNAT_CACHE_MODE``.

    Raises
    ------
    ConfigurationError
        If it is no such word.
    """
    word = given or os.environ.get(MODE_VARIABLE) or CACHE_MODES[0]
    if word not in CACHE_MODES:
        where = "" if given else f" in {MODE_VARIABLE}"
        raise ConfigurationError(
            f"{word!r}{where} is no cache mode", advice=f"one of {', '.join(CACHE_MODES)}"
        )
    return word


def machine_connections(given: int | None = None) -> int:
    """Return how many connections to a server the processes of this user on this machine share.

    Given, or said by ``NIPYPE_XNAT_CONNECTIONS``, or 16; 0 sets no limit.

    Raises
    ------
    ConfigurationError
        If it is no such number.
    """
    named = os.environ.get(MACHINE_VARIABLE, "") if given is None else str(given)
    if not named.strip():
        return MACHINE_CONNECTIONS
    if not (named.strip().isdecimal() and named.isascii()):
        where = f" in {MACHINE_VARIABLE}" if given is None else ""
        raise ConfigurationError(
            f"{named!r}{where} is no number of connections",
            advice="give 1 or more, or 0 for no limit",
        )
    return int(named)


def offline(given: bool | None = None) -> bool:
    """Tell whether to work offline: as given, or as ``NIPYPE_XNAT_OFFLINE`` says."""
    if given is not None:
        return given
    text = os.environ.get(OFFLINE_VARIABLE, "").strip().lower()
    if text in ("", "0", "false", "no", "off"):
        return False
    if text in ("1", "true", "yes", "on"):
        return True
    raise ConfigurationError(f"{OFFLINE_VARIABLE} is {text!r}", advice="set it to 1 or 0")


def mirror_folder(given: str | Path | None = None) -> Path:
    """Return the folder of the mirror: given, or named by ``NIPYPE_XNAT_MIRROR``.

    Raises
    ------
    ConfigurationError
        If neither names one.
    """
    named = given or os.environ.get(MIRROR_VARIABLE)
    if not named:
        raise ConfigurationError(
            "working offline needs a mirror, and none is named",
            advice=f"give mirror=, or name its folder in {MIRROR_VARIABLE}; "
            "nipype-xnat mirror pull makes one",
        )
    return Path(named).expanduser().absolute()


def outbox_folder(given: str | Path | None = None, mirror: Path | None = None) -> Path:
    """Return the folder where changes wait that were made offline.

    Given, or named by ``NIPYPE_XNAT_OUTBOX``, or beside the mirror: ``MIRROR.outbox``.

    Raises
    ------
    ConfigurationError
        If there is no mirror either.
    """
    named = given or os.environ.get(OUTBOX_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    place = mirror or mirror_folder()
    return place.with_name(f"{place.name}.outbox")
