"""Names of elements: what is made under a name is found under it, or refused before it is sent."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nipype_xnat.address import is_addressable, is_identifier
from nipype_xnat.errors import UsageError
from nipype_xnat.select.grammar import Pattern

OVER_HTTP = settings(max_examples=15)
COUNT = itertools.count()
LABELS = st.one_of(
    st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=10),
    st.text("aA0_-", min_size=1, max_size=5),
    st.text(" %#?+,[]()&='\"<>*;:@!.~^|{}$`\\/ab", min_size=1, max_size=6),
    st.sampled_from([".", "..", "...", "a..b", "%2e%2e", "a%20b", "a+b", "a,b", "T1 (brain)", "é"]),
).filter(str.strip)


def quoted(name):
    return str(Pattern(name, literal=True))


@OVER_HTTP
@given(LABELS)
def test_subjects_and_sessions(connected, label):
    client, archive = connected
    project = client.select.project(f"P{next(COUNT)}").insert()
    session = project.subject(label).experiment(label)
    sent = len(archive.requests)
    if not is_identifier(label):
        for element in (project.subject(label), session, client.select.project(label)):
            with pytest.raises(UsageError):
                element.insert()
        assert len(archive.requests) == sent
        return
    session.insert()
    (found,) = project.experiments()
    assert found.label() == found.parent().label() == label
    again = client.select(f"/projects/{project.id()}/subjects/{quoted(label)}/experiments")
    assert again.get() == [found.id()]


# XNAT keeps & < > " and ' of fields and paths as entities
@OVER_HTTP
@given(LABELS.filter(lambda label: not set(label) & set("&<>\"'")))
def test_scans(connected, label):
    client, archive = connected
    session = client.select.project("P").subject("S").experiment(f"E{next(COUNT)}").insert()
    sent = len(archive.requests)
    try:
        session.scan(label).insert(type=label)
    except UsageError:
        assert len(archive.requests) == sent
        assert not is_addressable(label) or "," in label
        return
    (scan,) = session.scans()
    assert scan.id() == label
    assert scan.attrs.get("type") == label
    assert session.scan(label).exists()
    pattern = f"/projects/P/subjects/S/experiments/{session.label()}/scans"
    assert client.select(f"{pattern}/{quoted(label)}").exists()
    assert client.select(f"{pattern}/*[type={quoted(label)}]").get() == [label]


@OVER_HTTP
@given(LABELS)
def test_resources_and_their_files(connected, label):
    client, archive = connected
    subject = client.select.project("P").subject(f"s{next(COUNT)}").insert()
    sent = len(archive.requests)
    try:
        subject.resource(label).file("a.txt").put(b"words")
    except UsageError:
        assert not subject.resources().get()
        assert not is_addressable(label)
        return
    assert len(archive.requests) > sent
    (resource,) = subject.resources()
    assert resource.label() == label
    with open(subject.resource(label).file("a.txt").get(), "rb") as file:
        assert file.read() == b"words"
    pattern = f"/projects/P/subjects/{subject.id()}/resources/{quoted(label)}/files"
    assert client.select(pattern).get() == ["a.txt"]


@pytest.mark.parametrize("label", ["..", "a/b", "a%2fb", "a;b", "a\\b", "a\nb"])
def test_what_xnat_refuses_is_not_sent(connected, label):
    client, archive = connected
    sent = len(archive.requests)
    with pytest.raises(UsageError):
        client.select.project("P").subject(label).insert()
    assert len(archive.requests) == sent
