"""A database that lacks something gets it when it is opened."""

import sqlite3

from nipype_xnat.archive import Archive, Site


def made(path):
    with sqlite3.connect(path) as plain:
        return set(plain.execute("SELECT type, name FROM sqlite_master"))


def test_tables_and_indexes_that_a_database_lacks_are_made(tmp_path):
    path = tmp_path / "archive.sqlite"
    Archive(tmp_path, Site(durable=False)).close()
    whole = made(path)
    index = min(name for kind, name in whole if kind == "index" and not name.startswith("sqlite_"))
    with sqlite3.connect(path) as plain:
        plain.execute(f"DROP INDEX {index}")
        plain.execute("DROP TABLE form_use")
    assert made(path) < whole
    Archive(tmp_path, Site(durable=False)).close()
    assert made(path) == whole
