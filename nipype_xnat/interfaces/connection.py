"""What all interfaces share: how a node names its archive, and the connection of its process."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nipype.interfaces.base import BaseInterfaceInputSpec, Directory, Str, isdefined, traits

from ..errors import ConfigurationError

# whoever makes a workflow needs no client; a process that runs a node does
if TYPE_CHECKING:
    from ..client import Interface

__all__ = ["ConnectionInputSpec", "CriteriaInputSpec", "connect", "named_by", "refuse_secrets"]

_SECRETS = frozenset({"user", "pwd", "password", "passwd", "token"})


def refuse_secrets(names: Any) -> None:
    """Raise if one of the names is that of a credential.

    Nipype writes the inputs of a node to half a dozen files, so a credential must never be one.
    """
    given = sorted(_SECRETS.intersection(names))
    if given:
        raise ConfigurationError(
            f"{' and '.join(given)} cannot be inputs of a node: Nipype writes inputs to pickles, "
            "reports and crash files, where everybody could read a password",
            advice="replace them by these two lines, once, outside the workflow and with the "
            "account's values:\n"
            "    Interface('https://your.server', user, password).save_config('~/xnat.json')\n"
            "    node.inputs.config = '~/xnat.json'     # instead of server, user and pwd",
        )


class ConnectionInputSpec(BaseInterfaceInputSpec):  # type: ignore[misc]
    """Inputs that say which archive is meant, by reference only.

    None of them changes what a node computes, so none of them is part of its hash.
    """

    server = Str(
        nohash=True,
        desc="address of the archive; the account comes from netrc, or from the configuration file "
        "that NIPYPE_XNAT_CONFIG names",
    )
    config = Str(
        nohash=True,
        desc="JSON file with server, user and password, readable by its owner only; read by the "
        "process that runs the node",
    )
    anonymous = traits.Bool(False, usedefault=True, nohash=True, desc="do not log in")
    verify = traits.Either(
        None, traits.Bool(), Str(), nohash=True, desc="check TLS certificates, or a file of them"
    )
    proxy = Str(nohash=True, desc="address of an HTTP proxy")
    cache_dir = Directory(
        nohash=True,
        desc="folder for fetched files, shared by all nodes and processes; must be on a file "
        "system that the next nodes see (default: NIPYPE_XNAT_CACHE or ~/.cache/nipype_xnat)",
    )
    cache_layers = traits.List(
        Str(),
        nohash=True,
        desc="other caches to look into first, never written, such as one of the whole site "
        "(default: NIPYPE_XNAT_CACHE_LAYERS)",
    )
    cache_mode = traits.Enum(
        "online",
        "revalidate",
        "prefer-cached",
        "offline",
        nohash=True,
        desc="how far the archive is asked: for listings; again for what was listed earlier; only "
        "for what is not here; never (default: NIPYPE_XNAT_CACHE_MODE, or online)",
    )
    offline = traits.Bool(
        nohash=True,
        desc="ask a mirror instead of the server (default: as NIPYPE_XNAT_OFFLINE says)",
    )
    mirror = Directory(
        nohash=True, desc="folder of the mirror (default: the one that NIPYPE_XNAT_MIRROR names)"
    )
    outbox = Directory(
        nohash=True,
        desc="folder where changes wait that are made offline (default: the one that "
        "NIPYPE_XNAT_OUTBOX names, or MIRROR.outbox)",
    )
    connections = traits.Range(
        low=1, high=64, value=8, usedefault=True, nohash=True, desc="most connections of one node"
    )

    def __setattr__(self, key: str, value: Any) -> None:
        refuse_secrets([key])
        if key in ("server", "proxy") and isinstance(value, str) and "@" in value:
            raise ConfigurationError(
                f"{key} holds an account, which Nipype would write to disk",
                advice="give the address alone; accounts belong into the configuration file "
                '("user" and "password", or "proxy" with its own)',
            )
        if key in ("config", "cache_dir", "mirror", "outbox") and isinstance(value, str) and value:
            # a node runs in a folder of its own, where a relative path would mean something else
            value = str(Path(value).expanduser().absolute())
        if key == "cache_layers" and isinstance(value, (list, tuple)):
            value = [str(Path(layer).expanduser().absolute()) for layer in value]
        super().__setattr__(key, value)


class CriteriaInputSpec(ConnectionInputSpec):
    """Inputs that say which sessions are meant."""

    criteria = traits.Either(
        Str(), traits.List(), hash_files=False, desc="search criteria, as a text or nested tuples"
    )
    criteria_level = traits.Enum(
        "experiment",
        "subject",
        usedefault=True,
        desc="experiments that fulfil the criteria, or all experiments of such subjects",
    )


def named_by(inputs: Any) -> dict[str, Any]:
    """Return what a node says of its archive, as arguments of :class:`nipype_xnat.Interface`.

    Parameters
    ----------
    inputs : ConnectionInputSpec
    """
    values = {
        name: value
        for name in (
            "server",
            "config",
            "anonymous",
            "verify",
            "proxy",
            "connections",
            "cache_mode",
        )
        if isdefined(value := getattr(inputs, name)) and value not in ("", None)
    }
    values["cache"] = str(inputs.cache_dir) if isdefined(inputs.cache_dir) else None
    if isdefined(inputs.cache_layers) and inputs.cache_layers:
        values["cache_layers"] = list(inputs.cache_layers)
    if isdefined(inputs.offline):
        values["offline"] = inputs.offline
    for name in ("mirror", "outbox"):
        if isdefined(getattr(inputs, name)):
            values[name] = str(getattr(inputs, name))
    return values


def connect(inputs: Any, event_reason: str = "", **instead: Any) -> Interface:
    """Return this process's connection to the archive that a node names.

    All nodes that a process runs share it, so each process logs in once; it is closed when the
    process ends.

    Parameters
    ----------
    inputs : ConnectionInputSpec
    event_reason : str
    **instead
        Arguments of :class:`nipype_xnat.Interface` that count instead of the inputs.

    Raises
    ------
    ConfigurationError
        If the archive or the account are not known; a node never asks a person.
    """
    values = named_by(inputs)
    # of two nodes in two processes one may just have changed what the other one asks for
    values["metadata_age"] = 0.0
    values["event_reason"] = event_reason
    values.update(instead)
    if "config" in values:
        values.pop("server", None)
    return _shared.get(values)


class _Shared:
    """The connections of this process, by what they were made of."""

    def __init__(self) -> None:
        self._watched = False
        self.after_fork()

    def after_fork(self) -> None:
        """Start anew: a child must not use its parent's connections."""
        self._lock = threading.Lock()
        self._open: dict[tuple[Any, ...], Interface] = {}

    def get(self, values: dict[str, Any]) -> Interface:
        """Return a connection made of these values, made now if there is none."""
        from ..client import Interface
        from ..transport.lifetime import watch_forks

        if not self._watched:
            self._watched = True
            watch_forks(self)
        config = values.get("config")
        # a file that was written anew may name another account
        stamp = Path(config).stat().st_mtime_ns if config and Path(config).is_file() else 0
        key = (os.getpid(), stamp, *sorted((name, str(value)) for name, value in values.items()))
        with self._lock:
            if key not in self._open:
                self._open[key] = Interface(interactive=False, **values)
            return self._open[key]


_shared = _Shared()
