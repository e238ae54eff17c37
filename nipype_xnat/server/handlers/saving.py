"""Making and changing elements: what each kind demands, and what it answers."""

from __future__ import annotations

from urllib.parse import unquote

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive import scan_types, values
from nipype_xnat.archive.elements import Draft, Element, Elements
from nipype_xnat.archive.files import About, create_resource
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import elements as common


def _justify(call: Call, elements: Elements, xsi_type: str) -> None:
    if not elements.justified(xsi_type, call.reason):
        raise HttpFailure(500, "Justification required.")


def _created(call: Call, path: str) -> Response:
    url = call.request.host_url.rstrip("/") + call.archive.site.context + path
    response = answers.text(url)
    response.headers["Location"] = url
    return response


# ---- projects --------------------------------------------------------------------------


def _refuse_taken(elements: Elements, key: str, wanted: list[str]) -> None:
    """Refuse what another project has as id, name, running title or alias, in whatever case."""
    c = s.element.c
    lowered = [text.lower() for text in wanted]
    words = [c.id, *(sa.func.json_extract(c.fields, f'$."{n}"') for n in ("name", "secondary_ID"))]
    found = elements.connection.execute(
        sa.select(c.id).where(
            c.kind == "project",
            c.id != key,
            sa.or_(*(sa.func.lower(word).in_(lowered) for word in words)),
        )
    ).scalar()
    if found is None:
        found = elements.connection.execute(
            sa.select(s.alias.c.project).where(
                sa.func.lower(s.alias.c.alias).in_(lowered), s.alias.c.project != key
            )
        ).scalar()
    if found is not None:
        shown = "', '".join(wanted)
        raise HttpFailure(409, f"One of '{shown}' is already used by another project.")


def save_project(
    elements: Elements, call: Call, key: str, draft: Draft, access: str = "protected"
) -> Element:
    """Make or change a project; `access` is for a new one of which nothing else is said."""
    connection = elements.connection
    if draft.id is not None and draft.id != key:
        raise HttpFailure(417, "The ID of the document differs from the one of the address.")
    elements.check_identifier(key, "project id")
    c = s.element.c
    row = (
        connection.execute(
            sa.select(s.element).where(c.kind == "project", sa.func.lower(c.id) == key.lower())
        )
        .mappings()
        .first()
    )
    existing = Element(**row) if row is not None else None
    if existing is not None and existing.id != key:
        raise HttpFailure(409, "A project with that ID (in other case) exists.")
    told = [draft.values.get("name"), draft.values.get("secondary_ID"), *draft.aliases]
    _refuse_taken(elements, key, [key, *(text for text in told if text)])
    project_type = elements.concrete("xnat:projectData", "xnat:projectData")
    if existing is None:
        if not elements.rights.can_create_projects():
            raise HttpFailure(403, "User account doesn't have permission to create projects.")
        if connection.execute(
            sa.select(s.former_project.c.id).where(s.former_project.c.id == key)
        ).scalar():
            raise HttpFailure(403, "The ID belonged to a project that was deleted.")
        for name in ("secondary_ID", "name"):
            draft.values[name] = draft.values.get(name) or key
        element = elements.insert("project", project_type, draft, id=key)
        if elements.who.pk:
            elements.join(key, elements.who.pk, "owner")
        elements.set_setting(key, "accessibility", call.param("accessibility") or access)
    else:
        if not elements.rights.can_delete(key):
            raise HttpFailure(403, "User account doesn't have permission to edit this project.")
        element = elements.update(existing, draft)
    for name in draft.aliases:
        owner = connection.execute(
            sa.select(s.alias.c.project).where(s.alias.c.alias == name)
        ).scalar()
        if owner not in {None, key}:
            raise HttpFailure(409, f"The alias '{name}' is already used.")
        if owner is None:
            connection.execute(s.alias.insert().values(alias=name, project=key))
    return element


def put_project(call: Call) -> Response:
    """Answer PUT on a project."""
    if call.rest:
        from nipype_xnat.server.handlers import projects

        return projects.put_switch(call)
    with call.archive.changing(call.person) as elements:
        draft = common.read_draft(call, elements, "project", "xnat:projectData") or Draft()
        save_project(elements, call, call.names["project"], draft)
    return answers.text()


def post_project(call: Call) -> Response:
    """Answer POST on the list of projects."""
    with call.archive.changing(call.person) as elements:
        draft = common.read_draft(call, elements, "project", "xnat:projectData") or Draft()
        if not draft.id:
            raise HttpFailure(417, "The project has no ID.")
        save_project(elements, call, draft.id, draft)
        return _created(call, f"/data/projects/{draft.id}")


# ---- subjects --------------------------------------------------------------------------


def save_subject(
    elements: Elements, project: str, key: str | None, draft: Draft, existing: Element | None
) -> tuple[Element, bool]:
    """Make or change a subject; tells also whether it is new."""
    datatype = elements.concrete("xnat:subjectData", "xnat:subjectData")
    if existing is not None:
        if not elements.rights.can_edit(existing.project):
            raise HttpFailure(403, "Specified user account has insufficient edit privileges.")
        if draft.id and draft.id != existing.id:
            raise HttpFailure(400, "ID of a subject cannot be changed.")
        if draft.project and draft.project != existing.project:
            raise HttpFailure(409, "Project must be modified through a separate URI.")
        return elements.update(existing, draft), False
    if not elements.rights.can_edit(project):
        raise HttpFailure(
            403,
            "Specified user account has insufficient create privileges for subjects in this "
            "project.",
        )
    label = draft.label or key or draft.id
    identifier = draft.id
    if identifier is not None:
        elements.check_identifier(identifier, "subject id")
        if elements.connection.execute(
            sa.select(s.element.c.pk).where(
                s.element.c.kind == "subject", s.element.c.id == identifier
            )
        ).scalar():
            raise HttpFailure(409, "Specified subject already exists.")
    identifier = identifier or elements.next_id("S")
    label = label or identifier
    elements.check_label(label)
    if elements.label_taken("subject", project, label):
        raise HttpFailure(409, "Specified subject label is already in use.")
    element = elements.insert(
        "subject", datatype, draft, id=identifier, label=label, project=project
    )
    _add_resources(elements, element, draft)
    for target, name in draft.shares:
        if target != project:
            elements.share(element, target, name)
    for child in draft.children:
        save_experiment(elements, project, None, child, None, element)
    return element, True


def _rename(elements: Elements, element: Element, label: str) -> Response:
    elements.check_label(label)
    if not elements.rights.can_edit(element.project):
        raise HttpFailure(403, "Specified user account has insufficient edit privileges.")
    if elements.label_taken(element.kind, element.project or "", label, element.pk):
        raise HttpFailure(409, "Label already in use.")
    elements.connection.execute(
        s.element.update()
        .where(s.element.c.pk == element.pk)
        .values(label=label, last_modified=values.now())
    )
    return answers.text()


def _done(element: Element, new: bool) -> Response:
    return answers.text(element.id, 201 if new else 200)


def put_subject(call: Call) -> Response:
    """Answer PUT on a subject."""
    with call.archive.changing(call.person) as elements:
        shared = common.sharing(common.find_subject)(call, elements)
        if shared is not None:
            return shared  # type: ignore[no-any-return]
        project = common.project_id(elements, call)
        key = call.names["subject"]
        existing = elements.subject(project, key)
        if project is None and existing is None:
            raise HttpFailure(404, "Unable to identify subject")
        draft = common.read_draft(call, elements, "subject", "xnat:subjectData") or Draft()
        _justify(call, elements, "xnat:subjectData")
        if existing is not None and draft.label and draft.label not in {existing.label, key}:
            return _rename(elements, existing, draft.label)
        owner = existing.project if existing is not None else project
        element, new = save_subject(elements, owner or "", key, draft, existing)
        elements.record(element, "Added Subject" if new else "Modified Subject", call.reason)
        return _done(element, new)


def post_subject(call: Call) -> Response:
    """Answer POST on a list of subjects."""
    with call.archive.changing(call.person) as elements:
        project = common.project_id(elements, call)
        draft = common.read_draft(call, elements, "subject", "xnat:subjectData")
        if draft is None or project is None:
            raise HttpFailure(417, "Need POST Contents")
        _justify(call, elements, "xnat:subjectData")
        if draft.label and elements.label_taken("subject", project, draft.label):
            raise HttpFailure(409, "Specified subject already exists.")
        element, _ = save_subject(elements, draft.project or project, None, draft, None)
        return _created(call, f"/data/projects/{project}/subjects/{element.id}")


# ---- experiments -----------------------------------------------------------------------


def save_experiment(
    elements: Elements,
    project: str | None,
    key: str | None,
    draft: Draft,
    existing: Element | None,
    subject: Element | None = None,
    session: Element | None = None,
) -> tuple[Element, bool]:
    """Make or change an experiment of any type; tells also whether it is new."""
    if existing is not None:
        return _change_experiment(elements, draft, existing, subject), False
    datatype = elements.concrete(draft.xsi_type, "xnat:experimentData")
    if datatype.abstract:
        raise HttpFailure(400, f"{datatype.name} is too general a type.")
    if project is None:
        raise HttpFailure(422, "The experiment must be assigned to a project.")
    if not elements.rights.can_edit(project):
        raise HttpFailure(
            403,
            "Specified user account has insufficient create privileges for experiments in this "
            "project.",
        )
    columns: dict[str, int | None] = {}
    if datatype.is_a("xnat:imageAssessorData"):
        if session is None and draft.session:
            session = elements.experiment(project, draft.session)
        if session is None:
            raise HttpFailure(404, "Unable to identify the session of the assessor.")
        columns["session_pk"] = session.pk
    elif datatype.is_a("xnat:subjectAssessorData") or draft.subject or subject is not None:
        if subject is None and draft.subject:
            subject = elements.subject(project, draft.subject)
            if subject is None:
                subject, _ = save_subject(elements, project, draft.subject, Draft(), None)
        if subject is None:
            raise HttpFailure(422, "Submitted experiment record must include the subject.")
        columns["subject_pk"] = subject.pk
    identifier = draft.id
    if identifier is not None:
        elements.check_identifier(identifier, "experiment id")
        if elements.connection.execute(
            sa.select(s.element.c.pk).where(
                s.element.c.kind == "experiment", s.element.c.id == identifier
            )
        ).scalar():
            raise HttpFailure(409, "Specified experiment already exists.")
    identifier = identifier or elements.next_id("E")
    label = draft.label or key or identifier
    elements.check_label(label)
    if elements.label_taken("experiment", project, label):
        raise HttpFailure(409, "Duplicate experiment label")
    element = elements.insert(
        "experiment", datatype, draft, id=identifier, label=label, project=project, **columns
    )
    _add_resources(elements, element, draft)
    for target, name in draft.shares:
        if target != project:
            elements.share(element, target, name)
    _save_children(elements, element, draft)
    return element, True


def _change_experiment(
    elements: Elements, draft: Draft, existing: Element, subject: Element | None
) -> Element:
    if not elements.rights.can_edit(existing.project):
        raise HttpFailure(403, "Specified user account has insufficient edit privileges.")
    if draft.id and draft.id != existing.id:
        raise HttpFailure(400, "ID of an experiment cannot be changed.")
    if draft.project and draft.project != existing.project:
        raise HttpFailure(409, "Project must be modified through a separate URI.")
    if draft.xsi_type:
        asked = elements.concrete(draft.xsi_type, "xnat:experimentData")
        if asked.name != existing.xsi_type and not elements.datatype(existing).is_a(asked.name):
            raise HttpFailure(409, "Specified xsiType differs from existing xsiType")
    columns: dict[str, int | None] = {}
    if draft.subject and existing.subject_pk:
        moved = elements.subject(existing.project, draft.subject)
        if moved is None:
            raise HttpFailure(404, "Unable to identify subject")
        columns["subject_pk"] = moved.pk
    element = elements.update(existing, draft, **columns)
    _save_children(elements, element, draft)
    return element


def _save_children(elements: Elements, session: Element, draft: Draft) -> None:
    for child in draft.children:
        datatype = elements.dictionary.get(child.xsi_type or "")
        if datatype is None:
            continue
        if datatype.kind == "experiment":
            known = elements.assessor(session, session.project, child.id or child.label or "")
            save_experiment(elements, session.project, None, child, known, None, session)
        else:
            key = child.id or child.values.get("ID")
            present = elements.scan(session, key, datatype.kind) if key else None
            save_scan(elements, session, datatype.kind, key, child, present)


def _add_resources(elements: Elements, owner: Element, draft: Draft) -> None:
    for entry in draft.resources:
        direction = entry["at"].split("/")[0] if entry["at"] in {"in/file", "out/file"} else ""
        create_resource(
            elements,
            owner,
            direction,
            entry.get("label"),
            About(entry.get("format"), entry.get("content"), entry.get("description")),
        )


def put_experiment(call: Call) -> Response:
    """Answer PUT on an experiment, below a subject, a project or on its own."""
    with call.archive.changing(call.person) as elements:
        shared = common.sharing(common.find_experiment)(call, elements)
        if shared is not None:
            return shared  # type: ignore[no-any-return]
        project = common.project_id(elements, call)
        key = call.names["experiment"]
        existing = elements.experiment(project, key)
        base = existing.xsi_type if existing is not None else None
        draft = common.read_draft(call, elements, "experiment", base) or Draft()
        orphan = existing is None and project is None and not draft.project
        if orphan and draft.xsi_type is None:
            raise HttpFailure(404, "Unable to identify experiment")
        kind = draft.xsi_type or base or ""
        _justify(call, elements, kind)
        if existing is not None and draft.label and draft.label not in {existing.label, key}:
            return _rename(elements, existing, draft.label)
        moved = call.param("subject")
        if moved:
            draft.subject = moved
        subject = None
        if existing is None and "subject" in call.names:
            elements.concrete(draft.xsi_type, "xnat:experimentData")
            subject = elements.subject(project, call.names["subject"])
            if subject is None and project is not None:
                subject, _ = save_subject(elements, project, call.names["subject"], Draft(), None)
        owner = project or draft.project
        element, new = save_experiment(elements, owner, key, draft, existing, subject)
        if call.flag("fixScanTypes"):
            scan_types.fix(elements, element)
        elements.record(element, "Added Experiment" if new else "Modified Experiment", call.reason)
        return _done(element, new)


def post_experiment(call: Call) -> Response:
    """Answer POST on a list of experiments."""
    with call.archive.changing(call.person) as elements:
        project = common.project_id(elements, call)
        subject = None
        if "subject" in call.names:
            subject = elements.require(common.find_subject(elements, call), "subject")
        draft = common.read_draft(call, elements, "experiment", None)
        if draft is None:
            raise HttpFailure(417, "Need POST Contents")
        _justify(call, elements, draft.xsi_type or "")
        if project and draft.label and elements.label_taken("experiment", project, draft.label):
            raise HttpFailure(409, "Specified experiment already exists.")
        element, _ = save_experiment(elements, project, None, draft, None, subject)
        return _created(call, f"/data/experiments/{element.id}")


def put_assessor(call: Call) -> Response:
    """Answer PUT on an assessor of a session."""
    find = common.find_below("experiment", "assessor")
    with call.archive.changing(call.person) as elements:
        shared = common.sharing(find)(call, elements)
        if shared is not None:
            return shared  # type: ignore[no-any-return]
        project = common.project_id(elements, call)
        session = elements.require(common.find_session(elements, call), "session")
        key = call.names["assessor"]
        existing = elements.assessor(session, project, key)
        base = existing.xsi_type if existing is not None else None
        draft = common.read_draft(call, elements, "experiment", base) or Draft()
        _justify(call, elements, draft.xsi_type or base or "")
        if existing is not None and draft.label and draft.label not in {existing.label, key}:
            return _rename(elements, existing, draft.label)
        if existing is None:
            elements.concrete(draft.xsi_type, "xnat:imageAssessorData")
        owner = project or session.project
        element, new = save_experiment(elements, owner, key, draft, existing, None, session)
        elements.record(element, "Added Assessor" if new else "Modified Assessor", call.reason)
        return _done(element, new)


def post_assessor(call: Call) -> Response:
    """Answer POST on the assessors of a session."""
    with call.archive.changing(call.person) as elements:
        session = elements.require(common.find_session(elements, call), "session")
        draft = common.read_draft(call, elements, "experiment", None)
        if draft is None:
            raise HttpFailure(417, "Need POST Contents")
        elements.concrete(draft.xsi_type, "xnat:imageAssessorData")
        _justify(call, elements, draft.xsi_type or "")
        owner = common.project_id(elements, call) or session.project
        element, _ = save_experiment(elements, owner, None, draft, None, None, session)
        return _created(call, f"/data/experiments/{element.id}")


# ---- scans and reconstructions ---------------------------------------------------------

_BASE = {"scan": "xnat:imageScanData", "recon": "xnat:reconstructedImageData"}


def save_scan(
    elements: Elements,
    session: Element,
    kind: str,
    key: str | None,
    draft: Draft,
    existing: Element | None,
) -> Element:
    """Make or change a scan or a reconstruction."""
    owner = elements.owner(session)
    base = _BASE[kind]
    if not elements.rights.can_edit(owner):
        raise HttpFailure(
            403,
            "Specified user account has insufficient privileges for sessions in this project.",
        )
    if existing is not None:
        if draft.xsi_type:
            asked = elements.concrete(draft.xsi_type, base)
            if asked.name != existing.xsi_type:
                raise HttpFailure(409, "Specified xsiType differs from existing xsiType")
        return elements.update(existing, draft)
    datatype = elements.concrete(draft.xsi_type or (base if kind == "recon" else None), base)
    if datatype.abstract:
        raise HttpFailure(
            400,
            "Multiple scan modalities can be associated here.  Please retry with the "
            "specification of a particular modality (i.e. ?xsiType=xnat:mrScanData).",
        )
    identifier = draft.id or key
    if not identifier:
        taken = {child.id for child in elements.children(session, kind)}
        number = 1
        while str(number) in taken:
            number += 1
        identifier = str(number)
    element = elements.insert(kind, datatype, draft, id=identifier, session_pk=session.pk)
    _add_resources(elements, element, draft)
    elements.touch(session)
    return element


def _put_below(call: Call, kind: str, name: str) -> Response:
    find = common.find_below(kind, name)
    with call.archive.changing(call.person) as elements:
        shared = common.sharing(find)(call, elements)
        if shared is not None:
            return shared  # type: ignore[no-any-return]
        session = elements.require(common.find_session(elements, call), "session")
        key = unquote(call.names[name])
        existing = elements.scan(session, key, kind)
        base = existing.xsi_type if existing is not None else None
        draft = common.read_draft(call, elements, kind, base)
        if draft is None and kind == "scan":
            raise HttpFailure(417, "Need PUT Contents")
        draft = draft or Draft()
        _justify(call, elements, draft.xsi_type or base or "xnat")
        draft.id = key if draft.id is None else draft.id
        save_scan(elements, session, kind, key, draft, existing)
        elements.record(session, "Modified Scan", call.reason)
    return answers.text()


def put_scan(call: Call) -> Response:
    """Answer PUT on a scan."""
    return _put_below(call, "scan", "scan")


def put_recon(call: Call) -> Response:
    """Answer PUT on a reconstruction."""
    return _put_below(call, "recon", "recon")


def _post_below(call: Call, kind: str, path: str) -> Response:
    with call.archive.changing(call.person) as elements:
        session = elements.require(common.find_session(elements, call), "session")
        draft = common.read_draft(call, elements, kind, None)
        if draft is None:
            raise HttpFailure(417, "Need POST Contents")
        _justify(call, elements, draft.xsi_type or "xnat")
        if draft.id and elements.scan(session, draft.id, kind) is not None:
            raise HttpFailure(409, "Specified scan already exists.")
        element = save_scan(elements, session, kind, draft.id, draft, None)
        return _created(call, f"/data/experiments/{session.id}/{path}/{element.id}")


def post_scan(call: Call) -> Response:
    """Answer POST on the scans of a session."""
    return _post_below(call, "scan", "scans")


def post_recon(call: Call) -> Response:
    """Answer POST on the reconstructions of a session."""
    return _post_below(call, "recon", "reconstructions")
