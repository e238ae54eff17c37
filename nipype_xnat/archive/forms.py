"""Custom forms: how a page asks for custom fields, and for which elements."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nipype_xnat.archive import values
from nipype_xnat.archive.storage import schema as s

ENABLED, DISABLED, OPTED_OUT = "enabled", "disabled", "optedout"


@dataclass(frozen=True)
class Use:
    """One thing that a form is for: a data type of one project, or of all where it is blank."""

    pk: int
    form_pk: int
    project: str
    xsi_type: str
    status: str

    @property
    def row(self) -> str:
        """The name that the interface gives it."""
        return f"{self.form_pk}_{self.pk}"


@dataclass(frozen=True)
class Form:
    """A form, and what it is for."""

    pk: int
    uuid: str
    position: int
    definition: dict[str, Any]
    login: str
    created: str
    uses: tuple[Use, ...] = ()

    @property
    def sitewide(self) -> bool:
        """Whether it is for all projects."""
        return any(not use.project for use in self.uses)

    def ordered(self, project: str | None) -> list[Use]:
        """List what it is for, all projects first; of the others only one where it is named."""
        others = [use for use in self.uses if use.project and project in {None, use.project}]
        return [*(use for use in self.uses if not use.project), *others]


def listed(connection: Connection, form_pk: int | None = None) -> list[Form]:
    """List the forms, or the one of a number, with what they are for."""
    use, form = s.form_use.c, s.form.c
    uses: dict[int, list[Use]] = {}
    for row in connection.execute(sa.select(s.form_use).order_by(use.pk)).mappings():
        uses.setdefault(row["form_pk"], []).append(Use(**row))
    query = sa.select(s.form).order_by(form.pk)
    if form_pk is not None:
        query = query.where(form.pk == form_pk)
    rows = connection.execute(query).mappings()
    return [Form(**row, uses=tuple(uses.get(row["pk"], ()))) for row in rows]


def find_use(connection: Connection, row: str) -> Use | None:
    """Find what a form is for by its name, such as ``3_7``."""
    form, _, use = row.partition("_")
    if not all(part.isascii() and part.isdecimal() and len(part) < 18 for part in (form, use)):
        return None
    c = s.form_use.c
    query = sa.select(s.form_use).where(c.pk == int(use), c.form_pk == int(form))
    found = connection.execute(query).mappings().first()
    return Use(**found) if found is not None else None


def add_use(
    connection: Connection, form_pk: int, project: str, xsi_type: str, status: str = ENABLED
) -> None:
    """Say that a form is for a data type of a project, if that was not said before."""
    c = s.form_use.c
    where = (c.form_pk == form_pk, c.project == project, c.xsi_type == xsi_type)
    known = connection.execute(sa.select(c.pk).where(*where)).scalar()
    if known is None:
        connection.execute(
            s.form_use.insert().values(
                form_pk=form_pk, project=project, xsi_type=xsi_type, status=status
            )
        )
    else:
        set_status(connection, known, status)


def set_status(connection: Connection, use_pk: int, status: str) -> None:
    """Enable, disable, or note that a project does without."""
    connection.execute(s.form_use.update().where(s.form_use.c.pk == use_pk).values(status=status))


def save(
    connection: Connection,
    definition: dict[str, Any],
    position: int,
    login: str,
    known: int | None,
) -> tuple[int, str] | None:
    """Make a form, or change the one of a number; gives its number and its id.

    Returns
    -------
    tuple or None
        None when there is none of that number.
    """
    if known is None:
        name = str(uuid.uuid4())
        made = connection.execute(
            s.form.insert().values(
                uuid=name,
                position=position,
                definition=definition,
                login=login,
                created=values.now(),
            )
        )
        return int((made.inserted_primary_key or (0,))[0]), name
    found = connection.execute(sa.select(s.form.c.uuid).where(s.form.c.pk == known)).scalar()
    if found is None:
        return None
    connection.execute(
        s.form.update().where(s.form.c.pk == known).values(definition=definition, position=position)
    )
    return known, str(found)


def has_data(connection: Connection, form: Form, use: Use) -> bool:
    """Tell whether any element has something in the fields of a form."""
    c, e = s.custom_fields.c, s.element.c
    held = sa.func.json_extract(c.fields, f'$."{form.uuid}"')
    query = (
        sa.select(held)
        .join_from(s.custom_fields, s.element, e.pk == c.element_pk)
        .where(e.xsi_type == use.xsi_type, held.is_not(None), held.not_in(["{}", "[]", ""]))
    )
    if use.project:
        query = query.where(sa.case((e.kind == "project", e.id), else_=e.project) == use.project)
    return connection.execute(query.limit(1)).first() is not None


def remove_use(connection: Connection, use: Use) -> None:
    """Take away what a form is for; one that is for nothing any longer goes too."""
    c = s.form_use.c
    connection.execute(s.form_use.delete().where(c.pk == use.pk))
    left = sa.select(c.pk).where(c.form_pk == use.form_pk, c.status != OPTED_OUT)
    if connection.execute(left.limit(1)).first() is None:
        connection.execute(s.form_use.delete().where(c.form_pk == use.form_pk))
        connection.execute(s.form.delete().where(s.form.c.pk == use.form_pk))


def forget(connection: Connection, project: str) -> None:
    """Take away what forms are for in a project that is deleted."""
    query = sa.select(s.form_use).where(s.form_use.c.project == project)
    for row in connection.execute(query).mappings().all():
        remove_use(connection, Use(**row))


def page(forms: Sequence[Form]) -> dict[str, Any]:
    """Join forms to one, in the order of their positions, the newest of equals first."""
    if not forms:
        return {}
    components = [
        {
            "label": form.definition.get("title", ""),
            "key": form.uuid,
            "type": "container",
            "input": True,
            "tableView": False,
            "components": form.definition.get("components", []),
        }
        for form in sorted(forms, key=lambda form: (form.position, -form.pk))
    ]
    return {
        "display": "form",
        "title": "Custom Variables",
        "settings": {},
        "components": components,
    }


def shown(connection: Connection, project: str | None, xsi_type: str) -> list[Form]:
    """List the forms that are used for a data type, in a project or in all of them."""
    found = []
    for form in listed(connection):
        uses = [use for use in form.uses if use.xsi_type == xsi_type]
        mine = [use for use in uses if use.project and use.project == project]
        if any(use.status == OPTED_OUT for use in mine):
            continue
        wanted = [*mine, *(use for use in uses if not use.project)]
        if any(use.status == ENABLED for use in wanted):
            found.append(form)
    return found
