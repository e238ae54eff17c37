"""Resources and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path as LocalPath
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from .. import transfer
from ..address import Address, is_plain_label
from ..errors import NotFound, UsageError
from ..records import Record
from ..transport import Body, Request
from .element import Element
from .identity import view_name
from .listings import Listings
from .selection import Selection

__all__ = ["File", "InResource", "OutResource", "Resource"]


class Resource(Element):
    """A resource: a labelled folder of files that belongs to an element."""

    level = "resource"

    @property
    def address(self) -> Address:
        """REST address of the resource, by its number where that is known."""
        return self._record.resource

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.resource_id, record.resource_label

    def _look_up(self) -> None:
        self._address_of_owner()
        wanted = (self._record.resource_label, self._record.resource_id)
        for record in Listings(self._archive.transport).resources(self._record):
            if record.resource_label == wanted[0] or record.resource_id in wanted:
                self._record = record.with_values(fields=())
                return
        raise NotFound(
            f"there is no resource {wanted[0] or wanted[1]!r}",
            server=self._archive.transport.server,
            asked=str(self.path),
        )

    def _address_of_owner(self) -> Address:
        """Make sure that the owner's address works, and return it."""
        owner = self.parent()
        assert owner is not None
        owner._address_now()
        self._record = self._record.with_values(experiment_id=owner.record.experiment_id)
        return self._record.owner

    def _address_now(self) -> Address:
        self._address_of_owner()
        if not self._record.resource_id:
            self._look_up()
        return self.address

    def datatype(self) -> str:
        """Return the data type of resources."""
        return "xnat:resourceCatalog"

    def files(self, id_filter: str = "*") -> Selection[File]:
        """Return the resource's files; wildcards match names and paths within the resource."""
        return self._select("file", id_filter)

    def file(self, path: str) -> File:
        """Return one file, by its path within the resource; nothing is asked."""
        return self._element("file", path=path)  # type: ignore[no-any-return]

    def _create_here(
        self, xsi_type: str | None, use_label: bool, fields: Mapping[str, Any]
    ) -> Element:
        self._address_of_owner()
        if self.exists():
            return self
        label = self._record.resource_label
        owner = self._record.owner / "resources"
        if is_plain_label(label):
            address = (owner / label).ask(fields).ask(self._event())
            self._archive.transport.send(Request("PUT", address)).close()
        else:
            # a label that does not pass through a path can be made by a document
            words = "".join(f" {name}={quoteattr(str(text))}" for name, text in fields.items())
            document = (
                '<xnat:Resource xmlns:xnat="http://nrg.wustl.edu/xnat" '
                'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
                f'xsi:type="xnat:resourceCatalog" label="{escape(label)}"{words}/>'
            )
            body = Body.of_text(document)
            self._archive.transport.send(Request("POST", owner.ask(self._event()), body)).close()
        self._look_up()
        return self

    def put(
        self,
        sources: Iterable[str | LocalPath] | Mapping[str, str | LocalPath],
        *,
        overwrite: bool = False,
        format: str = "",
        content: str = "",
        tags: str = "",
    ) -> transfer.Stored:
        """Store files, as they are or under other names.

        Parameters
        ----------
        sources : iterable of path, or mapping of str to path
            Files to store under their own names, or by path within the resource.
        overwrite : bool
            Replace files that are there with other content. Without it they are a Conflict, found
            before anything is sent.
        format, content, tags : str
            Words for the files.

        Returns
        -------
        Stored
            What was sent, and what the archive had already.

        Raises
        ------
        Conflict, NotAllowed, UploadIncomplete
        """
        if isinstance(sources, Mapping):
            files = {name: LocalPath(path) for name, path in sources.items()}
        else:
            paths = [LocalPath(path) for path in sources]
            files = {path.name: path for path in paths}
            if len(files) != len(paths):
                raise UsageError(
                    "two of the files have the same name",
                    advice="give a mapping of path within the resource to local path",
                )
        self._make_owner()
        return transfer.put(
            self._archive.transport,
            self._record,
            files,
            overwrite=overwrite,
            format=format,
            content=content,
            tags=tags,
            event_reason=self._archive.event_reason,
        )

    def put_dir(self, folder: str | LocalPath, **options: Any) -> transfer.Stored:
        """Store all files of a folder under their paths within it; options as for :meth:`put`."""
        root = LocalPath(folder)
        files = {
            path.relative_to(root).as_posix(): path
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }
        return self.put(files, **options)

    def get(self, dest: str | LocalPath | None = None) -> LocalPath:
        """Fetch all files, and return the folder that holds them under their own names.

        Parameters
        ----------
        dest : path, optional
            Folder to copy them to; without it they stay in the cache, read-only.
        """
        records = [file.record for file in self.files()]
        fetched = transfer.fetch(self._archive.transport, records, self._archive.cache)
        if dest is not None:
            return transfer.copy_to(fetched, LocalPath(dest))
        return transfer.deliver_folder(fetched, self._archive.cache, view_name(self._record))

    def _make_owner(self) -> None:
        owner = self.parent()
        assert owner is not None
        if not owner.exists():
            owner.create()
        self._address_of_owner()


class InResource(Resource):
    """A resource that went into a processing."""

    level = "in_resource"


class OutResource(Resource):
    """A resource that came out of a processing."""

    level = "out_resource"


class File(Element):
    """A file of a resource."""

    level = "file"

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
        kind = {"in": InResource, "out": OutResource}.get(record.direction, Resource)
        return kind(self._archive, record)

    def _look_up(self) -> None:
        resource = self._resource()
        resource._address_now()
        for record in Listings(self._archive.transport).files(resource.record):
            if record.path == self._record.path:
                self._record = record
                return
        raise NotFound(
            f"there is no file {self._record.path!r}",
            server=self._archive.transport.server,
            asked=str(self.path),
        )

    def _listed(self) -> Record:
        """Return the record with what a listing says of the file."""
        if self._record.size is None and not self._record.digest:
            self._look_up()
        return self._record

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

    def get(self, dest: str | LocalPath | None = None) -> str:
        """Fetch the file, and return its local path.

        Parameters
        ----------
        dest : path, optional
            Where to put it. Without it the file stays in the cache, read-only, beside nothing else
            and under its own name.

        Raises
        ------
        NotFound, TransferError, CannotReachServer
        """
        record = self._listed()
        if dest is not None:
            target = LocalPath(dest).expanduser()
            transfer.save(self._archive.transport, record, target, cache=self._archive.cache)
            return str(target)
        fetched = transfer.fetch(self._archive.transport, [record], self._archive.cache)
        views = transfer.deliver(fetched, self._archive.cache, view_name(record))
        return str(views[fetched[0].record])

    get_copy = get

    def put(
        self,
        src: str | LocalPath,
        format: str = "",
        content: str = "",
        tags: str = "",
        overwrite: bool = False,
        **params: Any,
    ) -> File:
        """Store a local file under this name; the resource and all above are made if missing.

        Parameters
        ----------
        src : path
        format, content, tags : str
        overwrite : bool
            Replace a stored file of other content; without it that is a Conflict.
        **params
            Data types of what has to be made, as for :meth:`Element.create`.
        """
        source = LocalPath(src).expanduser()
        if not source.is_file():
            raise UsageError(f"{source} is not a file")
        resource = self._resource()
        if not resource.exists():
            resource.create(**params)
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
        return self

    def create(self, xsi_type: str | None = None, **params: Any) -> Element:
        """Store a local file, the first argument; see :meth:`put`."""
        if xsi_type is None:
            raise UsageError("a file is made of a local one", advice="file.put('/local/path')")
        return self.put(xsi_type, **params)

    insert = create

    def delete(self, delete_files: bool = True) -> None:
        """Remove the file, and no other.

        XNAT deletes all files whose path begins with the given one (CatalogUtils), so where that
        would take a neighbour along nothing is deleted.

        Raises
        ------
        UsageError
            If a neighbour's path begins with this one's.
        """
        self._look_up()
        listed = list(Listings(self._archive.transport).files(self._record))
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
