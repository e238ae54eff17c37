"""What a copy is going to replace on another server, kept here first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from .. import transfer
from ..address import Address
from ..errors import MirrorError
from ..records import Record
from ..transport import Transport

__all__ = ["Kept"]


class Kept:
    """A folder of what one copy replaced, laid out as the addresses are.

    Parameters
    ----------
    root : path
        Each copy that replaces something makes a folder of its own in it, named by the time.
    transport : Transport
    """

    def __init__(self, root: Path, transport: Transport) -> None:
        self.folder = root / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%f}"
        self._transport = transport

    def file(self, record: Record) -> None:
        """Fetch a file that is going to be replaced.

        Raises
        ------
        TransferError, AnswerError
            If it does not come; it must not be replaced then.
        """
        place = self.folder.joinpath(*record.owner.segments[1:], record.resource_label, record.path)
        transfer.save(self._transport, record, place)

    def values(self, element: Address, values: Mapping[str, str]) -> None:
        """Write down values that are going to be replaced.

        Raises
        ------
        MirrorError
            If the folder cannot be written.
        """
        place = self.folder.joinpath(*element.segments[1:], "values.json")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(dict(values), indent=1, ensure_ascii=False), "utf-8")
        except OSError as error:
            raise MirrorError(
                f"what would be replaced cannot be kept in {self.folder}: {error.strerror}",
                advice="make room, or leave it as it is: --conflicts theirs",
            ) from error
