"""Files: bytes of a resource, and the words that the archive keeps about them."""

from __future__ import annotations

from pathlib import Path as LocalPath
from typing import Any

from .. import transfer
from ..address import Address
from ..errors import NotFound, UsageError
from ..records import Record
from ..transport import Request
from .companions import companions
from .element import Element
from .identity import view_name
from .resource import Resource

__all__ = ["File"]


class File(Element):
    """A file of a resource."""

    level = "file"
    _looked_up = False  # by itself: what was found then may be old when it is asked again

    @property
    def address(self) -> Address:
        """REST address of the file."""
        return self._record.file

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.path, record.path.rpartition("/")[2]

    def id(self) -> str:
        """Return the file's path within its resource."""
        return self._record.path

    def label(self) -> str:
        """Return the file's name."""
        return self._record.path.rpartition("/")[2]

    def datatype(self) -> str:
        """Files have no data type: empty."""
        return ""

    def _resource(self) -> Resource:
        record = self._record.with_values(path="", size=None, digest="")
        level = f"{record.direction}_resource" if record.direction else "resource"
        return self._made(level, record)  # type: ignore[no-any-return]

    def _look_up(self) -> None:
        self._list()

    def _list(self) -> list[Record]:
        """Find the file in the listing of its resource, and return all of that."""
        listed = self._resource().listed()
        for record in listed:
            if record.path == self._record.path:
                self._record = record
                self._looked_up = True
                return listed
        raise NotFound(
            f"there is no file {self._record.path!r}",
            server=self._archive.transport.server,
            asked=str(self.path),
        )

    def _listed(self) -> Record:
        """Return the record with what a listing says of the file."""
        if not self._is_listed():
            self._look_up()
        return self._record

    def _is_listed(self) -> bool:
        known = self._record.size is not None or bool(self._record.digest)
        return known and not self._looked_up

    def attributes(self) -> dict[str, str]:
        """Return all that the listing says: URI, Name, Size, path, digest and the file's words."""
        record = self._listed()
        return {
            "URI": self.address.path,
            "Name": self.label(),
            "Size": "" if record.size is None else str(record.size),
            "path": record.path,
            "digest": record.digest,
            "file_tags": record.tags,
            "file_format": record.format,
            "file_content": record.content,
        }

    def last_modified(self) -> str:
        """Return when the file was stored, as HTTP writes dates."""
        self._listed()
        answer = self._archive.transport.send(Request("HEAD", self.address))
        answer.close()
        return answer.headers.get("last-modified", "")

    def size(self) -> int | None:
        """Return the file's size in bytes."""
        return self._listed().size

    def digest(self) -> str:
        """Return the MD5 that the archive keeps, empty where it keeps none."""
        return self._listed().digest

    def format(self) -> str:
        """Return the word that says what kind of file it is."""
        return self._listed().format

    def content(self) -> str:
        """Return the word that says what the file is about."""
        return self._listed().content

    def tags(self) -> str:
        """Return the file's tags, separated by commas."""
        return self._listed().tags

    labels = tags

    def get(self, dest: str | LocalPath | None = None) -> str:
        """Fetch the file, and return its local path.

        Parameters
        ----------
        dest : path, optional
            Where to put it. Without it the file stays in the cache, read-only and under its own
            name, beside those that differ from it in their suffix only (``.img`` and ``.hdr``).

        Raises
        ------
        NotFound, TransferError, CannotReachServer
        """
        # the neighbours are listed in any case where it stays in the cache
        listed = self._list() if dest is None or not self._is_listed() else []
        record = self._record
        if dest is not None:
            target = LocalPath(dest).expanduser()
            transfer.save(self._archive.transport, record, target, cache=self._archive.cache)
            return str(target)
        wanted = [record, *companions(listed, [record]).get(record.path, ())]
        named = any((one.path, one.digest) == (record.path, record.digest) for one in listed)
        fetched = transfer.fetch(self._archive.transport, wanted, self._archive.cache, listed=named)
        views = transfer.deliver(fetched, self._archive.cache, view_name(record))
        return str(views[fetched[0].record])

    get_copy = get

    def put(
        self,
        src: str | LocalPath | bytes,
        format: str = "",
        content: str = "",
        tags: str = "",
        overwrite: bool = False,
        **params: Any,
    ) -> File:
        """Store a local file under this name; the resource and all above are made if missing.

        Parameters
        ----------
        src : path or bytes
            A local file, or what the file is to hold.
        format, content, tags : str
        overwrite : bool
            Replace a stored file of other content; without it that is a Conflict.
        **params
            Data types of what has to be made, as for :meth:`Element.create`.
        """
        source = src if isinstance(src, bytes) else LocalPath(src).expanduser()
        if isinstance(source, LocalPath) and not source.is_file():
            if source.is_dir():
                raise UsageError(
                    f"{source} is a folder", advice="a resource stores it: put_dir(folder)"
                )
            raise UsageError(
                f"{source} is not a file", advice="to store a text give its bytes: put(b'...')"
            )
        resource = self._resource()
        resource._prepare(params)
        stored = transfer.put(
            self._archive.transport,
            resource.record,
            {self._record.path: source},
            overwrite=overwrite,
            format=format,
            content=content,
            tags=tags,
            event_reason=self._archive.event_reason,
        )
        self._record = stored.records[0]
        self._looked_up = False
        return self

    create = put  # type: ignore[assignment]
    insert = put  # type: ignore[assignment]

    def delete(self, delete_files: bool = True) -> None:
        """Remove the file, and no other.

        XNAT deletes all files whose path begins with the given one (CatalogUtils), so where that
        would take a neighbour along nothing is deleted.

        Raises
        ------
        UsageError
            If a neighbour's path begins with this one's.
        """
        listed = self._list()
        longer = [
            record.path
            for record in listed
            if record.path != self._record.path and record.path.startswith(self._record.path)
        ]
        if longer:
            raise UsageError(
                f"XNAT would delete {', '.join(longer)} along with {self._record.path}: it deletes "
                "all files whose path begins so",
                asked=str(self.path),
                advice="delete the whole resource and store what is to be kept again",
            )
        super().delete(delete_files)
