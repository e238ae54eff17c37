"""The tables.

One row per element, whatever its kind, with real columns for everything that is looked
up or joined by; the remaining fields of its type stand in one JSON column.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

element = sa.Table(
    "element",
    metadata,
    sa.Column("pk", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("label", sa.Text),
    sa.Column("project", sa.Text),
    sa.Column("xsi_type", sa.Text, nullable=False),
    sa.Column("subject_pk", sa.ForeignKey("element.pk")),
    sa.Column("session_pk", sa.ForeignKey("element.pk")),
    sa.Column("scan_type", sa.Text),
    sa.Column("date", sa.Text),
    sa.Column("fields", sa.JSON, nullable=False, default=dict),
    sa.Column("insert_date", sa.Text, nullable=False),
    sa.Column("insert_user", sa.Text, nullable=False),
    sa.Column("last_modified", sa.Text, nullable=False),
    sa.Index("element_kind", "kind"),  # in the order of pk, for pages of a listing
    sa.Index("element_id", "kind", "id"),
    sa.Index("element_label", "project", "kind", "label"),
    sa.Index("element_type", "xsi_type", "project"),
    sa.Index("element_subject", "subject_pk"),
    sa.Index("element_session", "session_pk", "kind", "id"),
    sqlite_autoincrement=True,
)

variable = sa.Table(
    "variable",
    metadata,
    sa.Column("element_pk", sa.ForeignKey("element.pk", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text),
)

share = sa.Table(
    "share",
    metadata,
    sa.Column("pk", sa.Integer, primary_key=True),
    sa.Column("element_pk", sa.ForeignKey("element.pk", ondelete="CASCADE"), nullable=False),
    sa.Column("project", sa.Text, nullable=False),
    sa.Column("label", sa.Text),
    sa.UniqueConstraint("element_pk", "project"),
    sa.Index("share_project", "project", "label"),
)

alias = sa.Table(
    "alias",
    metadata,
    sa.Column("alias", sa.Text, primary_key=True),
    sa.Column("project", sa.Text, nullable=False),
)

former_project = sa.Table(
    "former_project",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
)

resource = sa.Table(
    "resource",
    metadata,
    sa.Column("pk", sa.Integer, primary_key=True),
    sa.Column("owner_pk", sa.ForeignKey("element.pk", ondelete="CASCADE"), nullable=False),
    sa.Column("direction", sa.Text, nullable=False, default=""),
    sa.Column("label", sa.Text),
    sa.Column("xsi_type", sa.Text, nullable=False, default="xnat:resourceCatalog"),
    sa.Column("format", sa.Text),
    sa.Column("content", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("tags", sa.Text),
    sa.Column("file_count", sa.Integer),
    sa.Column("file_size", sa.Integer),
    sa.Column("version", sa.Integer, nullable=False, default=0),
    sa.Index("resource_owner", "owner_pk", "direction", "label"),
    sqlite_autoincrement=True,
)

file = sa.Table(
    "file",
    metadata,
    sa.Column("pk", sa.Integer, primary_key=True),
    sa.Column("resource_pk", sa.ForeignKey("resource.pk", ondelete="CASCADE"), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("blob", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, default=""),
    sa.Column("format", sa.Text),
    sa.Column("content", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("tags", sa.Text),
    sa.Column("created_by", sa.Text),
    sa.Column("created", sa.Text),
    sa.Column("modified", sa.Float, nullable=False),
    sa.Column("catalogued", sa.Boolean, nullable=False, default=True),
    sa.UniqueConstraint("resource_pk", "path"),
    sa.Index("file_blob", "blob"),
)

counter = sa.Table(
    "counter",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
)

setting = sa.Table(
    "setting",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text),
)

account = sa.Table(
    "account",
    metadata,
    sa.Column("pk", sa.Integer, primary_key=True),
    sa.Column("login", sa.Text, nullable=False, unique=True),
    sa.Column("password", sa.Text, nullable=False),
    sa.Column("firstname", sa.Text, nullable=False, default=""),
    sa.Column("lastname", sa.Text, nullable=False, default=""),
    sa.Column("email", sa.Text, nullable=False, default=""),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("verified", sa.Boolean, nullable=False, default=True),
    sa.Column("admin", sa.Boolean, nullable=False, default=False),
    sa.Column("modified", sa.Text, nullable=False, default=""),
    sa.Column("last_login", sa.Text),
)

member = sa.Table(
    "member",
    metadata,
    sa.Column("project", sa.Text, primary_key=True),
    sa.Column("account_pk", sa.ForeignKey("account.pk", ondelete="CASCADE"), primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
)

token = sa.Table(
    "token",
    metadata,
    sa.Column("pk", sa.Integer, primary_key=True),
    sa.Column("alias", sa.Text, nullable=False, unique=True),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("login", sa.Text, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("expires", sa.Float, nullable=False),
)

search = sa.Table(
    "search",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("scope", sa.Text, nullable=False, default=""),
    sa.Column("root", sa.Text, nullable=False),
    sa.Column("secure", sa.Boolean, nullable=False, default=True),
    sa.Column("brief", sa.Text, nullable=False, default=""),
    sa.Column("description", sa.Text, nullable=False, default=""),
    sa.Column("tag", sa.Text),
    sa.Column("document", sa.Text, nullable=False),
)

search_user = sa.Table(
    "search_user",
    metadata,
    sa.Column("search_id", sa.ForeignKey("search.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("login", sa.Text, primary_key=True),
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("pk", sa.Integer, primary_key=True),
    sa.Column("element_pk", sa.Integer),
    sa.Column("login", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("comment", sa.Text),
    sa.Column("at", sa.Text, nullable=False),
    sa.Index("event_element", "element_pk"),
)

config = sa.Table(
    "config",
    metadata,
    sa.Column("pk", sa.Integer, primary_key=True),
    sa.Column("project", sa.Text, nullable=False, default=""),
    sa.Column("tool", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False, default=""),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("contents", sa.Text, nullable=False),
    sa.Column("login", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("created", sa.Text, nullable=False),
    sa.Index("config_path", "project", "tool", "path", "version"),
)

# ---- what waits to be archived -----------------------------------------------------------

prearchive = sa.Table(
    "prearchive",
    metadata,
    sa.Column("pk", sa.Integer, primary_key=True),
    sa.Column("project", sa.Text),  # nothing: not assigned to any
    sa.Column("timestamp", sa.Text, nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("subject", sa.Text),
    sa.Column("tag", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("lastmod", sa.Text, nullable=False),
    sa.Column("uploaded", sa.Text, nullable=False),
    sa.Column("received", sa.Float, nullable=False),
    sa.Column("scan_date", sa.Text),
    sa.Column("scan_time", sa.Text),
    sa.Column("autoarchive", sa.Text),
    sa.Column("prevent_anon", sa.Boolean, nullable=False, default=False),
    sa.Column("prevent_auto_commit", sa.Boolean, nullable=False, default=False),
    sa.Column("source", sa.Text),
    sa.Column("visit", sa.Text),
    sa.Column("protocol", sa.Text),
    sa.Column("timezone", sa.Text),
    sa.Column("login", sa.Text, nullable=False),
    sa.Column("values", sa.JSON, nullable=False, default=dict),
    sa.Column("built", sa.JSON),
    sa.Column("log", sa.JSON, nullable=False, default=list),
    sa.Index("prearchive_place", "project", "timestamp", "folder"),
    sa.Index("prearchive_tag", "tag"),
)

prearchive_file = sa.Table(
    "prearchive_file",
    metadata,
    sa.Column("pk", sa.Integer, primary_key=True),
    sa.Column("session_pk", sa.ForeignKey("prearchive.pk", ondelete="CASCADE"), nullable=False),
    sa.Column("scan", sa.Text, nullable=False),  # blank: a file of the session itself
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("blob", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, default=""),
    sa.Column("modified", sa.Float, nullable=False),
    sa.Column("header", sa.JSON),
    sa.UniqueConstraint("session_pk", "scan", "label", "path"),
)

# ---- what is told of elements besides their fields ---------------------------------------

custom_fields = sa.Table(
    "custom_fields",
    metadata,
    sa.Column("element_pk", sa.ForeignKey("element.pk", ondelete="CASCADE"), primary_key=True),
    sa.Column("fields", sa.JSON, nullable=False),
)

form = sa.Table(
    "form",
    metadata,
    sa.Column("pk", sa.Integer, primary_key=True),
    sa.Column("uuid", sa.Text, nullable=False, unique=True),
    sa.Column("position", sa.Integer, nullable=False, default=0),
    sa.Column("definition", sa.JSON, nullable=False),
    sa.Column("login", sa.Text, nullable=False),
    sa.Column("created", sa.Text, nullable=False),
)

#: what a form is for: a data type, of one project or (project blank) of all
form_use = sa.Table(
    "form_use",
    metadata,
    sa.Column("pk", sa.Integer, primary_key=True),
    sa.Column("form_pk", sa.ForeignKey("form.pk", ondelete="CASCADE"), nullable=False),
    sa.Column("project", sa.Text, nullable=False, default=""),
    sa.Column("xsi_type", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, default="enabled"),
    sa.UniqueConstraint("form_pk", "project", "xsi_type"),
    sqlite_autoincrement=True,
)

workflow = sa.Table(
    "workflow",
    metadata,
    sa.Column("pk", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("pipeline_name", sa.Text, nullable=False),
    sa.Column("launch_time", sa.Text, nullable=False),
    sa.Column("login", sa.Text, nullable=False),
    sa.Column("fields", sa.JSON, nullable=False, default=dict),
    sa.Index("workflow_id", "id", "pipeline_name"),
)
#: SQLite's own table of what it knows about indexes
sqlite_stat1 = sa.Table(
    "sqlite_stat1",
    sa.MetaData(),
    sa.Column("tbl", sa.Text),
    sa.Column("idx", sa.Text),
    sa.Column("stat", sa.Text),
)

#: What it is told instead of what it would count: rows, and rows that agree in the first
#: column of an index, in the first two, and so on. Plans are then the same in each archive
#: from its first row on, and right for the largest.
STATISTICS = {
    "element": {
        "element_kind": "120000 24000",
        "element_id": "120000 24000 3",
        "element_label": "120000 1200 300 1",
        "element_type": "120000 24000 600",
        "element_subject": "120000 4",
        "element_session": "120000 5 4 1",
    },
    "resource": {"resource_owner": "100000 2 2 1"},
    "file": {"sqlite_autoindex_file_1": "1000000 10 1", "file_blob": "1000000 1"},
    "share": {"share_project": "2000 50 1", "sqlite_autoindex_share_1": "2000 1 1"},
    "variable": {"sqlite_autoindex_variable_1": "50000 3 1"},
    "event": {"event_element": "200000 3"},
}
