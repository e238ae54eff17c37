"""Resources: labelled folders of files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path as LocalPath
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from .. import transfer
from ..address import Address, is_plain_label
from ..errors import NotFound, UsageError
from ..records import Record
from ..transport import Body, Request
from .element import Element
from .identity import view_name
from .listings import Listings
from .matching import order
from .packages import existing, named_files, packed, unpacked, write_zip
from .selection import Selection

if TYPE_CHECKING:
    from .files import File

__all__ = ["InResource", "OutResource", "Resource"]


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
        self._record = self._row().with_values(fields=())

    def _row(self) -> Record:
        """Return what the listing of the owner's resources says of this one."""
        self._address_of_owner()
        wanted = (self._record.resource_label, self._record.resource_id)
        for record in Listings(self._archive.transport).resources(self._record):
            if record.resource_label == wanted[0] or record.resource_id in wanted:
                return record
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
        if is_plain_label(label) and not label.isdigit():  # digits would be read as a number
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
        overwrite: bool = False,
        extract: bool = True,
        *,
        format: str = "",
        content: str = "",
        tags: str = "",
        **params: Any,
    ) -> transfer.Stored:
        """Store files, as they are or under other names.

        Parameters
        ----------
        sources : iterable of path, or mapping of str to path
            Files to store under their paths below the folder that they share (files of one folder
            under their names), or by path within the resource.
        overwrite : bool
            Replace files that are there with other content. Without it they are a Conflict, found
            before anything is sent.
        extract : bool
            False stores one zip of the files, named after the folder that they share.
        format, content, tags : str
            Words for the files.
        **params
            Data types of what has to be made above, as for :meth:`Element.create`.

        Returns
        -------
        Stored
            What was sent, and what the archive had already.

        Raises
        ------
        Conflict, NotAllowed, UploadIncomplete
        """
        files, name = named_files(sources)
        if extract:
            return self._put(files, overwrite, format, content, tags, params)
        with packed(files, name) as path:
            return self._put({path.name: path}, overwrite, format, content, tags, params)

    batch_insert = put

    def put_zip(
        self,
        zip_location: str | LocalPath,
        overwrite: bool = False,
        extract: bool = True,
        *,
        format: str = "",
        content: str = "",
        tags: str = "",
        **params: Any,
    ) -> transfer.Stored:
        """Store what is in a zip; ``extract=False`` stores the zip itself. See :meth:`put`.

        Raises
        ------
        UsageError
            If it is no zip, or has a member that would leave the resource.
        """
        path = LocalPath(zip_location).expanduser()
        if not extract:
            files: Mapping[str, LocalPath] = {path.name: existing(path)}
            return self._put(files, overwrite, format, content, tags, params)
        with unpacked(path) as files:
            return self._put(files, overwrite, format, content, tags, params)

    zip_insert = put_zip

    def put_dir(
        self,
        src_dir: str | LocalPath,
        overwrite: bool = False,
        extract: bool = True,
        *,
        format: str = "",
        content: str = "",
        tags: str = "",
        **params: Any,
    ) -> transfer.Stored:
        """Store all files of a folder under their paths within it; see :meth:`put`."""
        root = LocalPath(src_dir).expanduser()
        if not root.is_dir():
            raise UsageError(f"{root} is not a folder")
        files = {
            path.relative_to(root).as_posix(): path
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }
        if extract:
            return self._put(files, overwrite, format, content, tags, params)
        with packed(files, root.resolve().name) as path:
            return self._put({path.name: path}, overwrite, format, content, tags, params)

    dir_insert = put_dir

    def get(self, dest_dir: str | LocalPath | None = None, extract: bool = False) -> Any:
        """Fetch all files.

        Parameters
        ----------
        dest_dir : path, optional
            Folder for them; without it they stay in the cache, read-only.
        extract : bool
            Whether ``dest_dir`` gets the files, or one zip of them.

        Returns
        -------
        Path, str, or list of str
            Without ``dest_dir`` the folder that holds the files under their own names. With it the
            place of the zip, ``<label>.zip``; or with ``extract`` those of the files, in a folder
            named by the resource's label.

        Raises
        ------
        NotFound
            If there is no such resource.
        """
        fetched = self._fetch()
        if dest_dir is None:
            return transfer.deliver_folder(fetched, self._archive.cache, view_name(self._record))
        folder = LocalPath(dest_dir).expanduser()
        label = self.label()
        if not extract:
            files = {entry.record.path: entry.path for entry in fetched}
            return str(write_zip(folder / f"{label}.zip", files))
        root = transfer.copy_to(fetched, folder / label)
        return [str(root / entry.record.path) for entry in fetched]

    def get_zip(self, dest_dir: str | LocalPath) -> str:
        """Fetch all files as one zip, and return its place; see :meth:`get`."""
        return str(self.get(dest_dir, extract=False))

    def copy_to(self, folder: str | LocalPath) -> LocalPath:
        """Fetch all files into a folder under their own paths, and return the folder."""
        return transfer.copy_to(self._fetch(), LocalPath(folder).expanduser())

    def attributes(self) -> dict[str, str]:
        """Return what the listing says: label, file_count, file_size, tags, format, content."""
        found = self._row()
        names = ("label", "file_count", "file_size", "tags", "format", "content")
        return {name: found.field(name) for name in names}

    def listed(self) -> list[Record]:
        """Return the records of the resource's files, in one request where XNAT allows it.

        Raises
        ------
        NotFound
            If there is no such resource.
        """
        self._address_of_owner()
        listings = Listings(self._archive.transport)
        label = self._record.resource_label
        # digits would be read as a number, and a label that an address cannot hold as another one
        if not self._record.resource_id and is_plain_label(label) and not label.isdigit():
            try:
                found = self._of_label(listings.files_of(self._record, label))
            except NotFound:
                found = []  # the listing of resources says what there is not
            # nothing: empty or not there; two of one label are told apart by their numbers
            if len({record.resource_id for record in found}) == 1:
                self._record = self._record.with_values(resource_id=found[0].resource_id)
                return found
        self._address_now()
        return sorted(listings.files(self._record), key=order)

    def _of_label(self, records: Iterable[Record]) -> list[Record]:
        label = self._record.resource_label
        return sorted((record for record in records if record.resource_label == label), key=order)

    def _fetch(self) -> Sequence[transfer.Fetched]:
        records = self.listed()
        return transfer.fetch(self._archive.transport, records, self._archive.cache, listed=True)

    def _put(
        self,
        files: Mapping[str, LocalPath | bytes],
        overwrite: bool,
        format: str,
        content: str,
        tags: str,
        params: Mapping[str, Any],
    ) -> transfer.Stored:
        self._prepare(params)
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

    def _prepare(self, params: Mapping[str, Any]) -> None:
        """Make sure that the resource's owner is there; the transfer makes the resource."""
        owner = self.parent()
        assert owner is not None
        if not owner.exists():
            owner.create(**params)
        self._address_of_owner()


class InResource(Resource):
    """A resource that went into a processing."""

    level = "in_resource"


class OutResource(Resource):
    """A resource that came out of a processing."""

    level = "out_resource"
