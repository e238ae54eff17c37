"""What the database is asked for one request."""

import io
import zipfile

import pytest
import sqlalchemy as sa

from nipype_xnat.archive.files import Stored
from nipype_xnat.archive.storage import schema
from nipype_xnat.archive.storage.prepared import Prepared

from .conftest import fill


@pytest.fixture
def resource(start, log_in):
    """The address of a resource of 40 files, with somebody who may read it, and its archive."""
    archive, url = start()
    http = log_in(url)
    session = fill(http, url)
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as bundle:
        for number in range(40):
            bundle.writestr(f"deep/{number:02d} a+.dcm", f"content {number}")
    address = f"{url}/data/experiments/{session}/scans/1/resources/DICOM/files"
    to = f"{address}/all.zip?extract=true&inbody=true"
    http.put(to, data=body.getvalue()).raise_for_status()
    return archive, http, address


@pytest.mark.parametrize("login", ["admin", "reader"])
def test_one_file_is_looked_up_alone(told, resource, login, log_in):
    archive, http, address = resource
    url = address.partition("/data/")[0]
    if login == "reader":
        archive.add_user("reader", "secret")
        http.put(f"{url}/data/projects/P/users/Collaborators/reader").raise_for_status()
        http = log_in(url, "reader", "secret")
    uri = http.get(address).json()["ResultSet"]["Result"][7]["URI"].replace("+", "%2B")
    http.get(url + uri).raise_for_status()
    told.clear()
    answer = http.get(url + uri)
    assert answer.text == "content 7"
    asked = [one for one in told if one.startswith("SELECT")]
    # session, scan, resource by its number, what it hangs on, its place, file; who may read them
    assert len(asked) <= (6 if login == "admin" else 11), asked
    (of_file,) = [one for one in asked if "FROM file" in one]
    assert "path = 'deep/07 a+.dcm'" in of_file


def test_one_file_of_several_resources_is_found_by_its_decoded_path(resource):
    _, http, address = resource
    many = address.replace("/scans/1/resources/DICOM", "/scans/ALL")
    assert http.get(f"{many}/deep/07%20+.dcm").status_code == 404
    assert http.get(f"{many}/deep/07%20a%2B.dcm").text == "content 7"


def test_a_statement_that_is_compiled_once_reads_the_values_that_sqlalchemy_reads(resource):
    archive, _, _ = resource
    with archive.database.read() as connection:
        for table in (schema.element, schema.resource, schema.file, schema.account):
            statement = sa.select(table).order_by(table.c.pk)
            plain = [tuple(row) for row in connection.execute(statement)]
            prepared = Prepared(statement)
            read = prepared.all(connection)
            assert plain and read == plain
            assert [type(v) for row in read for v in row] == [type(v) for row in plain for v in row]
            assert prepared.first(connection) == plain[0]
            assert prepared.columns == tuple(table.c.keys())
        bound = sa.select(schema.file).where(schema.file.c.path == sa.bindparam("path"))
        row = Prepared(bound).first(connection, path="deep/07 a+.dcm")
        assert row is not None and Stored(*row).catalogued is True
        assert Prepared(bound).first(connection, path="deep") is None
