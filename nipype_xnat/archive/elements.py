"""The rules of XNAT's elements: finding, making, changing, sharing and deleting them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import fields as fields_of
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nipype_xnat.archive import items, values
from nipype_xnat.archive.datatypes import DataType, Dictionary, shortcuts
from nipype_xnat.archive.errors import (
    Broken,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Refused,
    Unusable,
)
from nipype_xnat.archive.items import LISTS, TYPE, Lists
from nipype_xnat.archive.people import Person, Rights
from nipype_xnat.archive.site import Site
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.archive.storage.prepared import Prepared

_VARIABLE = re.compile(r"^fields/field\[@?name\s*=\s*['\"]?([^\]'\"]+)['\"]?\]/field$", re.I)
_TYPED = re.compile(r"\[@xsi:type\s*=\s*[^\]]+\]", re.I)
_INDEX = re.compile(r"\[\d+\]")
#: fields that have a column of their own, by kind
COLUMNS: dict[str, dict[str, str]] = {
    "project": {"id": "id"},
    "subject": {"id": "id", "label": "label", "project": "project"},
    "experiment": {"id": "id", "label": "label", "project": "project", "date": "date"},
    "scan": {"id": "id", "type": "scan_type"},
    "recon": {"id": "id", "type": "scan_type"},
}
#: fields that name another element; they are set by their own rules
REFERENCES = {"subject_id", "image_session_id", "imagesession_id"}


@dataclass
class Element:
    """One row of the archive's tree."""

    pk: int
    kind: str
    id: str
    label: str | None
    project: str | None
    xsi_type: str
    subject_pk: int | None
    session_pk: int | None
    scan_type: str | None
    date: str | None
    fields: dict[str, Any]
    insert_date: str
    insert_user: str
    last_modified: str

    @property
    def name(self) -> str:
        """The label, or the id where there is none."""
        return self.label or self.id


@dataclass
class Draft:
    """What a request wants an element to become, before any rule was applied."""

    xsi_type: str | None = None
    id: str | None = None
    label: str | None = None
    project: str | None = None
    subject: str | None = None
    session: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    shares: list[tuple[str, str | None]] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    #: the items of the lists of the type, by their places
    lists: Lists = field(default_factory=dict)
    #: whether what the request does not name is to go
    replaces: bool = False
    children: list[Draft] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)


def _element(row: Any) -> Element:
    return Element(**row)


def _lookup(*conditions: sa.ColumnElement[bool]) -> Prepared:
    columns = (s.element.c[item.name] for item in fields_of(Element))
    return Prepared(sa.select(*columns).where(*conditions).order_by(s.element.c.pk))


_KIND: sa.BindParameter[str] = sa.bindparam("kind")
_KEY: sa.BindParameter[str] = sa.bindparam("key")
_PROJECT: sa.BindParameter[str] = sa.bindparam("project")
_BY_PK = _lookup(s.element.c.pk == sa.bindparam("pk"))
_BY_ID = _lookup(s.element.c.kind == _KIND, s.element.c.id == _KEY)
_BY_LABEL = _lookup(
    s.element.c.kind == _KIND, s.element.c.project == _PROJECT, s.element.c.label == _KEY
)
_BY_SHARED_LABEL = _lookup(
    s.element.c.kind == _KIND,
    s.element.c.pk.in_(
        sa.select(s.share.c.element_pk).where(
            s.share.c.project == _PROJECT, s.share.c.label == _KEY
        )
    ),
)
_SHARED_INTO = Prepared(
    sa.select(s.share.c.project).where(s.share.c.element_pk == sa.bindparam("pk"))
)
_SESSION: sa.BindParameter[int] = sa.bindparam("session")
_BELOW = _lookup(
    s.element.c.kind == _KIND, s.element.c.session_pk == _SESSION, s.element.c.id == _KEY
)
_BELOW_OR_OF_TYPE = _lookup(
    s.element.c.kind == _KIND,
    s.element.c.session_pk == _SESSION,
    sa.or_(s.element.c.id == _KEY, s.element.c.scan_type == sa.bindparam("type")),
)


class Elements:
    """The elements of an archive, for one connection and one person.

    Parameters
    ----------
    connection : Connection
        Reading or changing, as the calls need.
    who : Person
        The person on whose behalf it is done.
    dictionary : Dictionary
        The types.
    site : Site
        The site's own choices.
    """

    def __init__(self, connection: Connection, who: Person, dictionary: Dictionary, site: Site):
        self.connection = connection
        self.who = who
        self.dictionary = dictionary
        self.site = site
        self.rights = Rights(connection, who)

    # ---- finding -------------------------------------------------------------------

    def _first(self, *conditions: sa.ColumnElement[bool]) -> Element | None:
        row = self.connection.execute(sa.select(s.element).where(*conditions)).mappings().first()
        return None if row is None else _element(row)

    def _find(self, statement: Prepared, **bound: Any) -> Element | None:
        row = statement.first(self.connection, **bound)
        return None if row is None else Element(*row)

    def _all(self, *conditions: sa.ColumnElement[bool]) -> list[Element]:
        query = sa.select(s.element).where(*conditions).order_by(s.element.c.pk)
        return [_element(row) for row in self.connection.execute(query).mappings()]

    def by_pk(self, pk: int) -> Element:
        """Give the element of a database key."""
        found = self._find(_BY_PK, pk=pk)
        if found is None:
            raise NotFound("Unable to identify element")
        return found

    def projects_of(self, element: Element) -> list[str]:
        """List the projects an element belongs to, the owning one first."""
        base = element
        if element.kind in {"scan", "recon"} and element.session_pk:
            base = self.by_pk(element.session_pk)
        if base.kind == "project":
            return [base.id]
        shared = _SHARED_INTO.all(self.connection, pk=base.pk)
        return [base.project or "", *(row[0] for row in shared)]

    def readable(self, element: Element | None) -> bool:
        """Tell whether the person may see an element."""
        if element is None or self.rights.readable() is None:
            return element is not None
        return self.rights.can_read(self.projects_of(element))

    def owner(self, element: Element) -> str:
        """Name the project whose rights govern changes of an element."""
        return self.projects_of(element)[0]

    def project(self, key: str, known: bool = False) -> Element | None:
        """Find a project by id or alias, if its data, or it at least, may be seen."""
        found = self._find(_BY_ID, kind="project", key=key)
        if found is None:
            real = self.connection.execute(
                sa.select(s.alias.c.project).where(s.alias.c.alias == key)
            ).scalar()
            if real is not None:
                found = self._find(_BY_ID, kind="project", key=real)
        if known and found is not None and found.id in self.rights.protected:
            return found
        return found if self.readable(found) else None

    def _labelled(self, kind: str, project: str, key: str) -> Element | None:
        bound = {"kind": kind, "project": project, "key": key}
        return self._find(_BY_LABEL, **bound) or self._find(_BY_SHARED_LABEL, **bound)

    def _named(self, kind: str, project: str | None, key: str) -> Element | None:
        if project is not None:
            found = self._labelled(kind, project, key)
            if found is not None:
                return found
        found = self._find(_BY_ID, kind=kind, key=key)
        if found is None or (project is not None and project not in self.projects_of(found)):
            return None
        return found

    def subject(self, project: str | None, key: str) -> Element | None:
        """Find a readable subject by id, or by its label in a project."""
        found = self._named("subject", project, key)
        return found if self.readable(found) else None

    def experiment(self, project: str | None, key: str) -> Element | None:
        """Find a readable experiment by id, or by its label in a project."""
        found = self._named("experiment", project, key)
        return found if self.readable(found) else None

    def assessor(self, session: Element, project: str | None, key: str) -> Element | None:
        """Find a readable assessor of a session by id or label."""
        c = s.element.c
        found = self._first(
            c.kind == "experiment", c.session_pk == session.pk, sa.or_(c.id == key, c.label == key)
        )
        if found is None and project is not None:
            found = self._named("experiment", project, key)
            if found is not None and found.session_pk != session.pk:
                found = None
        return found if self.readable(found) else None

    def scan(self, session: Element, key: str, kind: str = "scan") -> Element | None:
        """Find a scan (or a reconstruction) of a session by id."""
        return self._find(_BELOW, kind=kind, session=session.pk, key=key)

    def scans(self, session: Element, key: str, scan_type: str, kind: str) -> list[Element]:
        """List the scans (or reconstructions) of a session that have an id or a type."""
        bound = {"kind": kind, "session": session.pk, "key": key, "type": scan_type}
        return [Element(*row) for row in _BELOW_OR_OF_TYPE.all(self.connection, **bound)]

    def children(self, session: Element, kind: str) -> list[Element]:
        """List the scans, reconstructions or assessors (``experiment``) of a session."""
        c = s.element.c
        return self._all(c.session_pk == session.pk, c.kind == kind)

    def experiments_of(self, subject: Element) -> list[Element]:
        """List the subject assessors of a subject."""
        c = s.element.c
        return self._all(c.subject_pk == subject.pk, c.kind == "experiment")

    def datatype(self, element: Element) -> DataType:
        """Give the type of an element."""
        found = self.dictionary.get(element.xsi_type)
        if found is None:
            raise Broken(f"{element.xsi_type} is not a type of this archive")
        return found

    def variables(self, element: Element) -> dict[str, str]:
        """Give the custom variables of an element."""
        rows = self.connection.execute(
            sa.select(s.variable.c.name, s.variable.c.value).where(
                s.variable.c.element_pk == element.pk
            )
        )
        return {row[0]: row[1] for row in rows}

    def shares(self, element: Element) -> list[tuple[str, str | None]]:
        """List the projects an element is shared into, with its label there."""
        rows = self.connection.execute(
            sa.select(s.share.c.project, s.share.c.label)
            .where(s.share.c.element_pk == element.pk)
            .order_by(s.share.c.pk)
        )
        return [(project, label) for project, label in rows]

    # ---- reading a request's values ------------------------------------------------

    def draft(self, kind: str, given: Mapping[str, str], base: str | None = None) -> Draft:
        """Turn parameters into a draft: short names and addresses of fields.

        Unknown fields, and fields of other types than the element's, are ignored.
        """
        # what exists keeps its type, whatever types the fields are named by
        named = given.get("xsiType") or given.get("ELEMENT_0")
        draft = Draft(xsi_type=named or (None if base else self._detect_type(given)))
        names = shortcuts()["experiment" if kind == "experiment" else kind]["write"]
        for key, value in given.items():
            address = names.get(key, key)
            if "/" not in address:
                continue
            prefix, rest = address.split("/", 1)
            if ":" not in prefix:
                continue
            self.assign(draft, kind, prefix, rest, value, base)
        self._sort_lists(draft, base)
        return draft

    def _sort_lists(self, draft: Draft, base: str | None) -> None:
        """Take out of the lists what is kept elsewhere: variables, and elements."""
        for entry in draft.lists.pop("fields/field", ()):
            if entry.get("name"):
                draft.variables[entry["name"]] = entry.get("field", "")
        datatype = self.dictionary.get(draft.xsi_type or base or "")
        for path in list(draft.lists):
            many = datatype.repeated.get(path) if datatype else None
            held = self.dictionary.get(many.holds) if many else None
            if held is None or held.kind == "part":
                continue
            for entry in draft.lists.pop(path):
                if held.kind not in {"scan", "recon", "experiment"}:
                    continue
                plain = {k: v for k, v in entry.items() if not k.startswith("#")}
                draft.children.append(
                    Draft(
                        xsi_type=entry.get(TYPE, held.name),
                        id=plain.pop("ID", None),
                        label=plain.pop("label", None),
                        values=plain,
                        lists=entry.get(LISTS, {}),
                    )
                )

    def _detect_type(self, given: Mapping[str, str]) -> str | None:
        for key in given:
            prefix, slash, _ = key.partition("/")
            if slash and ":" in prefix and self.dictionary.get(prefix):
                return prefix
        return None

    def assign(
        self, draft: Draft, kind: str, prefix: str, rest: str, value: str, base: str | None
    ) -> None:
        """Put one value where it belongs in a draft."""
        datatype = self.dictionary.get(draft.xsi_type or base or prefix)
        other = self.dictionary.get(prefix)
        if datatype is None or other is None or not datatype.is_a(other.name):
            return
        match = _VARIABLE.match(rest)
        if match:
            draft.variables[match.group(1)] = value
            return
        path = _INDEX.sub("", _TYPED.sub("", rest)).lower()
        if path == "aliases/alias/alias":
            draft.aliases.append(value)
        elif path == "id":
            draft.id = value
        elif path == "label" and kind != "project":
            draft.label = value
        elif path == "project" and kind in {"subject", "experiment"}:
            draft.project = value
        elif path == "subject_id":
            draft.subject = value
        elif path in {"image_session_id", "imagesession_id"}:
            draft.session = value
        elif path == "sharing/share/project":
            draft.shares.append((value, None))
        elif path == "sharing/share/label" and draft.shares:
            draft.shares[-1] = (draft.shares[-1][0], value)
        elif not items.assign(self.dictionary, datatype, draft.lists, rest, value):
            known = datatype.field(path)
            if known is not None:
                draft.values[known.path] = value

    # ---- making and changing -------------------------------------------------------

    def next_id(self, letter: str) -> str:
        """Generate an id that was never used."""
        front = f"{self.site.id_prefix}_{letter}"
        while True:
            number = self.connection.execute(
                sa.select(s.counter.c.value).where(s.counter.c.name == letter)
            ).scalar()
            if number is None:
                number = 0
                self.connection.execute(s.counter.insert().values(name=letter, value=0))
            number += 1
            self.connection.execute(
                s.counter.update().where(s.counter.c.name == letter).values(value=number)
            )
            candidate = f"{front}{number:0{self.site.id_width}d}"
            kind = "subject" if letter == "S" else "experiment"
            if self._first(s.element.c.kind == kind, s.element.c.id == candidate) is None:
                return candidate

    def label_taken(self, kind: str, project: str, label: str, but: int | None = None) -> bool:
        """Tell whether a label is used in a project, by own or shared elements."""
        found = self._labelled(kind, project, label)
        if found is None and kind == "experiment":
            return False
        return found is not None and found.pk != but

    def concrete(self, name: str | None, base: str) -> DataType:
        """Give the type of that name, which must be a kind of `base`."""
        if not name:
            raise Unusable("Need PUT Contents")
        prefix, _, element = name.partition(":")
        found = self.dictionary.get(name) or self.dictionary.by_element(prefix, element)
        if found is None:
            raise Invalid(f"'{name}' is not a data type of this archive")
        if not found.is_a(base):
            raise Invalid(f"'{found.name}' is not a {base}")
        return found

    def insert(self, kind: str, datatype: DataType, draft: Draft, **columns: Any) -> Element:
        """Write a new element; the rules of its kind were applied before."""
        stamp = values.now()
        row = {
            "kind": kind,
            "xsi_type": datatype.name,
            "insert_date": stamp,
            "insert_user": self.who.login,
            "last_modified": stamp,
            "fields": {},
            "label": None,
            "project": None,
            "subject_pk": None,
            "session_pk": None,
            "scan_type": None,
            "date": None,
            **columns,
        }
        self._apply(kind, datatype, draft, row)
        result = self.connection.execute(s.element.insert().values(row))
        pk = int((result.inserted_primary_key or (0,))[0])
        element = self.by_pk(pk)
        self._apply_variables(element, draft)
        return element

    def _apply(self, kind: str, datatype: DataType, draft: Draft, row: dict[str, Any]) -> None:
        columns = COLUMNS[kind]
        fields = {} if draft.replaces else dict(row["fields"])
        for path, value in draft.values.items():
            spec = datatype.fields.get(path)
            if spec is None:
                continue
            kept = values.canonical(spec, value)
            column = columns.get(path.lower())
            if column is not None:
                row[column] = kept or None
            elif kept == "" or kept.upper() == "NULL":
                fields.pop(path, None)
            else:
                fields[path] = kept
        for path, single in items.singles(self.dictionary, datatype, draft.values).items():
            fields[path] = single
        # what is saved into a project that exists is not validated (ProjectResource)
        choices = kind != "project" or "insert_date" in row
        lists = items.checked_lists(self.dictionary, datatype, draft.lists, choices)
        if not draft.replaces:
            lists = items.merged(self.dictionary, datatype, fields.get(LISTS, {}), lists)
        fields.pop(LISTS, None)
        if lists:
            fields[LISTS] = lists
        row["fields"] = fields

    def _apply_variables(self, element: Element, draft: Draft) -> None:
        if draft.replaces:
            self.connection.execute(
                s.variable.delete().where(s.variable.c.element_pk == element.pk)
            )
        for name, value in draft.variables.items():
            self.connection.execute(
                s.variable.delete().where(
                    s.variable.c.element_pk == element.pk, s.variable.c.name == name
                )
            )
            self.connection.execute(
                s.variable.insert().values(element_pk=element.pk, name=name, value=value)
            )

    def update(self, element: Element, draft: Draft, **columns: Any) -> Element:
        """Merge a draft into an element."""
        row: dict[str, Any] = {"fields": element.fields, **columns}
        self._apply(element.kind, self.datatype(element), draft, row)
        row["last_modified"] = values.now()
        self.connection.execute(s.element.update().where(s.element.c.pk == element.pk).values(row))
        self._apply_variables(element, draft)
        return self.by_pk(element.pk)

    def touch(self, element: Element) -> None:
        """Note that something below an element changed."""
        self.connection.execute(
            s.element.update()
            .where(s.element.c.pk == element.pk)
            .values(last_modified=values.now())
        )

    def record(self, element: Element, action: str, reason: str | None) -> None:
        """Write an event into the audit trail."""
        self.connection.execute(
            s.event.insert().values(
                element_pk=element.pk,
                login=self.who.login,
                action=action,
                reason=reason,
                at=values.now(),
            )
        )

    def justified(self, xsi_type: str, reason: str | None) -> bool:
        """Tell whether a change of such an element may go without a reason."""
        needed = self.site.require_change_reason
        exempt = not xsi_type.startswith("xnat") or xsi_type == "xnat:projectData"
        return not needed or exempt or bool(reason and reason.strip())

    # ---- sharing -------------------------------------------------------------------

    def share(self, element: Element, into: str, label: str | None) -> None:
        """Share a subject or an experiment into another project."""
        target = self.project(into)
        if target is None:
            raise NotFound(f"Unable to identify project: {into}")
        if not self.rights.can_edit(target.id):
            raise Forbidden(
                f"Specified user account has insufficient create privileges in {target.id}"
            )
        present = dict(self.shares(element))
        if element.project == target.id or (
            target.id in present and (not label or label == present[target.id])
        ):
            raise Conflict(f"Already assigned to project: {target.id}")
        wanted = label or present.get(target.id) or element.label
        if wanted and self.label_taken(element.kind, target.id, wanted, element.pk):
            raise Conflict("Label already in use.")
        if target.id in present:
            self.connection.execute(
                s.share.update()
                .where(s.share.c.element_pk == element.pk, s.share.c.project == target.id)
                .values(label=wanted)
            )
        else:
            self.connection.execute(
                s.share.insert().values(element_pk=element.pk, project=target.id, label=wanted)
            )
        self.touch(element)

    def move(self, element: Element, into: str, label: str | None, along: Sequence[str]) -> None:
        """Make another project the owner of a subject or an experiment."""
        target = self.project(into)
        if target is None:
            raise NotFound(f"Unable to identify project: {into}")
        if not (self.rights.can_delete(element.project) and self.rights.can_edit(target.id)):
            raise Forbidden("Specified user account has insufficient privileges")
        wanted = label or element.label or element.id
        if self.label_taken(element.kind, target.id, wanted, element.pk):
            raise Conflict("Label already in use.")
        self._drop_share(element, target.id)
        self.connection.execute(
            s.element.update()
            .where(s.element.c.pk == element.pk)
            .values(project=target.id, label=wanted, last_modified=values.now())
        )
        for child in self.children(element, "experiment"):
            if child.id in along or child.label in along:
                self.move(child, into, None, ())

    def _drop_share(self, element: Element, project: str) -> int:
        return self.connection.execute(
            s.share.delete().where(s.share.c.element_pk == element.pk, s.share.c.project == project)
        ).rowcount

    def unshare(self, element: Element, project: str) -> None:
        """Take an element out of a project that it is only shared into."""
        if not self.rights.can_edit(project):
            raise Forbidden("User account doesn't have permission to modify this element.")
        if any(a.project == project for a in self.children(element, "experiment")):
            raise Forbidden("The project owns an assessor of this session.")
        if not self._drop_share(element, project):
            raise NotFound("Unable to identify share.")
        self.touch(element)

    # ---- deleting ------------------------------------------------------------------

    def below(self, element: Element) -> list[Element]:
        """List an element and everything under it, the deepest first."""
        if element.kind == "project":
            direct = self._all(
                s.element.c.project == element.id, s.element.c.kind.in_(["subject", "experiment"])
            )
            direct = [e for e in direct if e.kind == "subject" or e.subject_pk is None]
        elif element.kind == "subject":
            direct = self.experiments_of(element)
        else:
            direct = self._all(s.element.c.session_pk == element.pk)
        found: list[Element] = []
        seen: set[int] = set()
        for child in direct:
            for inner in self.below(child):
                if inner.pk not in seen:
                    seen.add(inner.pk)
                    found.append(inner)
        if element.pk not in seen:
            found.append(element)
        return found

    def delete(self, element: Element) -> None:
        """Remove an element and all below it from the database."""
        if not self.rights.can_delete(self.owner(element)):
            raise Forbidden("User account doesn't have permission to delete this element.")
        for victim in self.below(element):
            if victim.kind == "project":
                self.connection.execute(
                    sa.insert(s.former_project).prefix_with("OR IGNORE").values(id=victim.id)
                )
                for table in (s.member, s.alias, s.share):
                    self.connection.execute(table.delete().where(table.c.project == victim.id))
                self.connection.execute(s.setting.delete().where(s.setting.c.scope == victim.id))
            self.connection.execute(s.element.delete().where(s.element.c.pk == victim.pk))

    # ---- settings of a project -----------------------------------------------------

    def setting(self, scope: str, name: str, default: str) -> str:
        """Read a setting."""
        found = self.connection.execute(
            sa.select(s.setting.c.value).where(s.setting.c.scope == scope, s.setting.c.name == name)
        ).scalar()
        return default if found is None else str(found)

    def set_setting(self, scope: str, name: str, value: str) -> None:
        """Write a setting."""
        self.connection.execute(
            s.setting.delete().where(s.setting.c.scope == scope, s.setting.c.name == name)
        )
        self.connection.execute(s.setting.insert().values(scope=scope, name=name, value=value))

    def join(self, project: str, account_pk: int, role: str) -> None:
        """Give an account a role in a project, replacing the one it had."""
        self.leave(project, account_pk)
        self.connection.execute(
            s.member.insert().values(project=project, account_pk=account_pk, role=role)
        )

    def leave(self, project: str, account_pk: int) -> None:
        """Take an account out of a project."""
        self.connection.execute(
            s.member.delete().where(
                s.member.c.project == project, s.member.c.account_pk == account_pk
            )
        )

    def check_identifier(self, text: str, what: str) -> None:
        """Refuse ids with characters that XNAT does not take."""
        if not values.IDENTIFIER.fullmatch(text):
            raise Unusable(f"Invalid characters in {what}: {text}")

    def check_label(self, text: str) -> None:
        """Refuse labels with characters that XNAT does not take (it fails on them)."""
        if not values.IDENTIFIER.fullmatch(text):
            raise Broken("Identifiers cannot use special characters.")

    def require(self, found: Element | None, what: str) -> Element:
        """Insist that something was found."""
        if found is None:
            raise NotFound(f"Unable to identify {what}")
        return found

    def refuse_lists(self, keys: Iterable[str]) -> None:
        """Play a server that takes no lists in paths."""
        if self.site.refuse_comma_lists and any("," in key for key in keys):
            raise Refused("lists are refused")
