"""Whatever tree of elements and files one client writes, each of the others reads."""

import itertools
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nipype_xnat import Interface
from nipype_xnat.archive import Archive, Site

pyxnat = pytest.importorskip("pyxnat")
xnat = pytest.importorskip("xnat")

FEW = settings(max_examples=4)
COUNT = itertools.count()
# what all three clients can spell in an address
LABELS = st.text("abcXYZ019_", min_size=1, max_size=8).filter(lambda text: not text.isdigit())
NAMES = st.text("abcXYZ019_-.", min_size=1, max_size=10).filter(lambda text: text.strip("."))
FILES = st.dictionaries(NAMES, st.binary(min_size=1, max_size=50), min_size=1, max_size=3)
SCANS = st.dictionaries(
    st.integers(1, 30).map(str),
    st.tuples(st.sampled_from(["T1w", "T2w", "rest eyes open"]), LABELS, FILES),
    max_size=2,
)
TREES = st.dictionaries(
    LABELS, st.dictionaries(LABELS, SCANS, max_size=2), min_size=1, max_size=2
).filter(
    # labels of experiments are those of a project, and XNAT compares some of them in any case
    lambda tree: _apart([*tree]) and _apart([label for found in tree.values() for label in found])
)


def _apart(labels):
    return len({label.casefold() for label in labels}) == len(labels)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    root = tmp_path_factory.mktemp("across")
    with Archive(root / "archive", Site(durable=False)) as archive, archive.running() as url:
        yield url


def write_with_pyxnat(url, project, tree, folder):
    client = pyxnat.Interface(server=url, user="admin", password="admin")
    client.select.project(project).insert()
    for subject, sessions in tree.items():
        above = client.select.project(project).subject(subject)
        above.insert()
        for session, scans in sessions.items():
            one = above.experiment(session)
            one.insert(experiments="xnat:mrSessionData")
            for number, (kind, label, files) in scans.items():
                scan = one.scan(number)
                scan.insert(**{"scans": "xnat:mrScanData", "xnat:mrScanData/type": kind})
                for name, data in files.items():
                    path = folder / f"{next(COUNT)}"
                    path.write_bytes(data)
                    scan.resource(label).file(name).insert(str(path))
    client.disconnect()


def write_with_ours(url, project, tree, folder):
    with Interface(url, "admin", "admin") as client:
        client.select.project(project).create()
        for subject, sessions in tree.items():
            above = client.select.project(project).subject(subject).create()
            for session, scans in sessions.items():
                one = above.experiment(session).create("xnat:mrSessionData")
                for number, (kind, label, files) in scans.items():
                    scan = one.scan(number).create("xnat:mrScanData", type=kind)
                    paths = {}
                    for name, data in files.items():
                        paths[name] = folder / f"{next(COUNT)}"
                        paths[name].write_bytes(data)
                    scan.resource(label).put(paths)


def write_with_xnatpy(url, project, tree, folder):
    with xnat.connect(url, user="admin", password="admin", loglevel="ERROR") as client:
        client.put(f"/data/projects/{project}")
        client.clearcache()
        classes = client.classes
        for subject, sessions in tree.items():
            above = classes.SubjectData(parent=client.projects[project], label=subject)
            for session, scans in sessions.items():
                one = classes.MrSessionData(parent=above, label=session)
                for number, (kind, label, files) in scans.items():
                    scan = classes.MrScanData(parent=one, id=number, type=kind)
                    resource = classes.ResourceCatalog(parent=scan, label=label)
                    for name, data in files.items():
                        path = folder / f"{next(COUNT)}"
                        path.write_bytes(data)
                        resource.upload(str(path), name)


def read_with_ours(url, project, folder):
    found = {}
    with Interface(url, "admin", "admin", cache=folder / "cache", metadata_age=0) as client:
        for subject in client.select.project(project).subjects():
            found[subject.label()] = sessions = {}
            for session in subject.experiments():
                sessions[session.label()] = scans = {}
                for scan in session.scans():
                    for resource in scan.resources():
                        files = {}
                        for file in resource.files():
                            with open(file.get(), "rb") as stream:
                                files[file.id()] = stream.read()
                        scans[scan.id()] = (scan.attrs.get("type"), resource.label(), files)
    return found


def read_with_xnatpy(url, project, folder):
    found = {}
    with xnat.connect(url, user="admin", password="admin", loglevel="ERROR") as client:
        for subject in client.projects[project].subjects.values():
            found[subject.label] = sessions = {}
            for session in subject.experiments.values():
                sessions[session.label] = scans = {}
                for scan in session.scans.values():
                    for resource in scan.resources.values():
                        files = {}
                        for name, file in resource.files.items():
                            target = folder / f"{next(COUNT)}"
                            file.download(str(target), verbose=False)
                            files[name] = target.read_bytes()
                        scans[scan.id] = (scan.type, resource.label, files)
    return found


def read_with_pyxnat(url, project, folder):
    found = {}
    client = pyxnat.Interface(server=url, user="admin", password="admin")
    for subject in client.select.project(project).subjects():
        found[subject.label()] = sessions = {}
        for session in subject.experiments():
            sessions[session.label()] = scans = {}
            for scan in session.scans():
                for resource in scan.resources():
                    files = {}
                    for file in resource.files():
                        target = folder / f"{next(COUNT)}"
                        with open(file.get(str(target)), "rb") as stream:
                            files[file.id()] = stream.read()
                    scans[scan.id()] = (scan.attrs.get("type"), resource.label(), files)
    client.disconnect()
    return found


WRITERS = [write_with_ours, write_with_pyxnat, write_with_xnatpy]
READERS = [read_with_ours, read_with_pyxnat, read_with_xnatpy]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("write", WRITERS)
@FEW
@given(tree=TREES)
def test_what_one_writes_the_others_read(url, tmp_path_factory, write, tree):
    folder = tmp_path_factory.mktemp("files")
    project = f"A{next(COUNT)}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(url, project, tree, folder)
        for read in READERS:
            assert read(url, project, folder) == tree, read.__name__
