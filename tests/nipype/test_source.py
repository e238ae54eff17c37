"""XNATSource: what it delivers, in which shape, and what it says when it cannot."""

import json
import pickle
from pathlib import Path

import pytest
from nipype import Node
from traits.api import TraitError

from nipype_xnat import XNATQuery, XNATSource
from nipype_xnat.errors import (
    ConfigurationError,
    CriteriaError,
    NothingMatched,
    NotLoggedIn,
    SelectSyntaxError,
)

T1 = "/projects/P/experiments/{session}/scans/*[type=T1w]/resources/NIFTI/files/*.nii"
ALL_T1 = "/projects/P/experiments/*/scans/*[type=T1w]/resources/NIFTI/files/*.nii"


def read(path):
    return Path(path).read_bytes()


def test_named_templates(cohort, config):
    source = XNATSource(templates={"t1": T1}, config=str(config), session="sub1_MR1")
    outputs = source.run().outputs
    assert read(outputs.t1) == b"T1 of sub1"
    assert Path(outputs.t1).name == "t1.nii"
    assert (outputs.project_id, outputs.subject_label) == ("P", "sub1")
    assert (outputs.experiment_label, outputs.scan_id, outputs.scan_type) == (
        "sub1_MR1",
        "1",
        "T1w",
    )
    assert outputs.experiment_id.startswith("XNAT_E") and outputs.subject_id.startswith("XNAT_S")
    assert [entry["path"] for entry in outputs.manifest] == ["t1.nii", "t1.json"]


def test_files_that_belong_together_lie_together(cohort, config):
    source = XNATSource(templates={"t1": T1}, config=str(config), session="sub1_MR1")
    path = Path(source.run().outputs.t1)
    assert sorted(p.name for p in path.parent.iterdir()) == ["t1.json", "t1.nii"]
    source = XNATSource(templates={"t1": T1}, config=str(config), session="sub1_MR1")
    source.inputs.companions = False
    path = Path(source.run().outputs.t1)
    assert [p.name for p in path.parent.iterdir()] == ["t1.nii"]


def test_a_whole_resource_is_a_folder(cohort, config):
    template = "/projects/P/experiments/{session}/scans/1/resources/DICOM"
    source = XNATSource(templates={"dicom": template}, config=str(config), session="sub2_MR1")
    folder = Path(source.run().outputs.dicom)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        "0.dcm": b"2-0",
        "1.dcm": b"2-1",
        "2.dcm": b"2-2",
    }


def test_criteria(cohort, config):
    source = XNATSource(templates={"t1": ALL_T1}, config=str(config))
    source.inputs.criteria = "xnat:mrSessionData/AGE > 88"
    outputs = source.run().outputs
    assert [read(path) for path in outputs.t1] == [b"T1 of sub0", b"T1 of sub1"]
    assert outputs.subject_label == ["sub0", "sub1"]
    source.inputs.criteria = [("xnat:mrSessionData/AGE", ">", "88"), "AND"]
    assert source.run().outputs.t1 == outputs.t1


# -- the inputs of Nipype's own XNATSource, as documented there


def test_positional_templates(cohort, config):
    source = XNATSource(infields=["project", "subject", "experiment"], config=str(config))
    source.inputs.query_template = (
        "/projects/%s/subjects/%s/experiments/%s/scans/1/resources/NIFTI/files/*.nii"
    )
    source.inputs.project = "P"
    source.inputs.subject = "sub0"
    source.inputs.experiment = "*_MR1"
    assert read(source.run().outputs.outfiles) == b"T1 of sub0"


def test_template_arguments_by_outfield(cohort, config):
    source = XNATSource(infields=["sid"], outfields=["struct", "func"], config=str(config))
    source.inputs.query_template = (
        "/projects/P/subjects/%s/experiments/*MR1/scans/%s/resources/NIFTI/files/%s"
    )
    source.inputs.query_template_args["struct"] = [["sid", "1", "t1.nii"]]
    source.inputs.query_template_args["func"] = [["sid", "2", "t2.nii"]]
    source.inputs.sid = "sub2"
    outputs = source.run().outputs
    assert (read(outputs.struct), read(outputs.func)) == (b"T1 of sub2", b"T2 of sub2")


def test_field_templates_and_lists_of_arguments(cohort, config):
    source = XNATSource(infields=["sids"], outfields=["a", "b"], config=str(config))
    source.inputs.query_template = "/projects/P/subjects/%s//scans/1/resources/NIFTI/files/t1.nii"
    source.inputs.field_template = {"b": "/projects/P/subjects/sub1//scans/2/resources/*/files"}
    source.inputs.query_template_args = {"a": [["sids"]], "b": []}
    source.inputs.sids = ["sub2", "sub0"]
    outputs = source.run().outputs
    assert [read(path) for path in outputs.a] == [b"T1 of sub2", b"T1 of sub0"]
    assert read(outputs.b) == b"T2 of sub1"


def test_equal_names_of_different_subjects_do_not_mix(cohort, config):
    """Nipype's own XNATSource hands all nodes the last subject's bytes."""
    paths = {}
    for number in range(3):
        source = XNATSource(templates={"t1": T1}, config=str(config), session=f"sub{number}_MR1")
        paths[number] = source.run().outputs.t1
    assert len(set(paths.values())) == 3
    assert [read(paths[n]) for n in range(3)] == [b"T1 of sub%d" % n for n in range(3)]


# -- shapes


def test_one_file_or_a_list_as_asked(cohort, config):
    source = XNATSource(templates={"t1": T1}, config=str(config), session="sub1_MR1")
    assert isinstance(source.run().outputs.t1, str)
    for force in (True, ["t1"]):
        source.inputs.force_lists = force
        assert len(source.run().outputs.t1) == 1 and isinstance(source.run().outputs.t1, list)


def test_lists_are_sorted(cohort, config):
    template = "/projects/P/experiments/sub1_MR1/scans/1/resources/DICOM/files"
    source = XNATSource(templates={"dicom": template}, config=str(config))
    names = [Path(path).name for path in source.run().outputs.dicom]
    assert names == ["0.dcm", "1.dcm", "2.dcm"]


def test_nothing_found_is_an_error_that_names_the_template(cohort, config):
    source = XNATSource(templates={"t1": T1}, config=str(config), session="sub3_MR1")
    with pytest.raises(NothingMatched, match=r"t1: .*sub3_MR1.*T1w"):
        source.run()
    source.inputs.raise_on_empty = False
    from nipype.interfaces.base import Undefined

    assert source.run().outputs.t1 is Undefined


# -- mistakes, before any request


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"templates": {"t1": "/projects/P/nonsense"}}, SelectSyntaxError, "nonsense|no subjects|"),
        ({"templates": {"t1": "/projects/P/subjects/*"}}, SelectSyntaxError, "ends at subjects"),
        ({"criteria": "AGE > 80"}, CriteriaError, "not a field"),
    ],
)
def test_bad_templates_and_criteria_cost_no_request(
    cohort, config, xnat_archive, change, error, said
):
    source = XNATSource(templates={"t1": ALL_T1}, config=str(config))
    xnat_archive.requests.clear()
    for name, value in change.items():
        setattr(source.inputs, name, value)
    with pytest.raises(error, match=said):
        source.run()
    assert not xnat_archive.requests


def test_a_misspelt_input_is_noticed(cohort, config):
    source = Node(XNATSource(templates={"t1": T1}, config=str(config)), name="source")
    with pytest.raises(Exception, match="sesion"):
        source.inputs.sesion = "sub1_MR1"
        source.inputs.session = "sub1_MR1"
        source.run()


def test_an_infield_without_a_value(cohort, config):
    source = XNATSource(infields=["sid"], config=str(config), query_template="/projects/P/%s")
    with pytest.raises(ValueError, match="'sid'"):
        source.run()


def test_values_with_slashes_and_brackets_are_names(cohort, config):
    source = XNATSource(templates={"t1": T1}, config=str(config), session="a/b[c]")
    with pytest.raises(NothingMatched):
        source.run()


@pytest.mark.parametrize("name", ["user", "pwd", "password"])
def test_credentials_are_refused_with_the_two_lines_that_replace_them(name):
    for attempt in (
        lambda: XNATSource(server="https://x.org", **{name: "s3cret"}),
        lambda: setattr(XNATSource().inputs, name, "s3cret"),
    ):
        with pytest.raises(ConfigurationError, match="save_config") as caught:
            attempt()
        assert "node.inputs.config" in str(caught.value)
        assert "s3cret" not in str(caught.value)


def test_a_node_never_asks_a_person(xnat_archive):
    source = XNATSource(templates={"t1": ALL_T1}, server=xnat_archive.url)
    with pytest.raises(ConfigurationError, match="no account"):
        source.run()


def test_wrong_types_are_refused():
    with pytest.raises(TraitError):
        XNATSource().inputs.force_lists = 3.5


# -- records


def test_a_record_needs_no_listing(cohort, config, xnat_archive):
    query = XNATQuery(templates={"t1": ALL_T1}, config=str(config))
    outputs = query.run().outputs
    assert outputs.names == ["sub0_MR1", "sub1_MR1", "sub2_MR1"]
    assert outputs.subject_labels == ["sub0", "sub1", "sub2"]
    (missing,) = outputs.missing
    assert "sub3_MR1" in missing and "no scan matches" in missing
    xnat_archive.requests.clear()
    source = XNATSource(outfields=["t1"], config=str(config), record=outputs.records[1])
    assert read(source.run().outputs.t1) == b"T1 of sub1"
    assert [r.path.rpartition("/")[2] for r in xnat_archive.requests] == ["t1.nii", "t1.json"] or (
        {r.path.rpartition("/")[2] for r in xnat_archive.requests} == {"t1.nii", "t1.json"}
    )
    xnat_archive.requests.clear()
    source.run()
    assert not xnat_archive.requests  # all is in the cache, and the record says what


def test_records_are_plain_values(cohort, config):
    (first, *_) = XNATQuery(templates={"t1": ALL_T1}, config=str(config)).run().outputs.records
    assert json.loads(json.dumps(first)) == first
    assert pickle.loads(pickle.dumps(first)) == first


def test_a_record_without_the_output_is_refused(cohort, config):
    (first, *_) = XNATQuery(templates={"t1": ALL_T1}, config=str(config)).run().outputs.records
    with pytest.raises(ConfigurationError, match="t2"):
        XNATSource(outfields=["t2"], config=str(config), record=first).run()


def test_an_empty_cohort_names_what_is_missing(cohort, config):
    path = ALL_T1.replace("experiments/*", "experiments/sub3_MR1")
    with pytest.raises(NothingMatched, match="no scan matches"):
        XNATQuery(templates={"t1": path}, config=str(config)).run()


def test_wrong_password_is_told_as_such(cohort, config):
    config.write_text(config.read_text().replace('"password": "admin"', '"password": "wrong"'))
    source = XNATSource(templates={"t1": ALL_T1}, config=str(config))
    with pytest.raises(NotLoggedIn, match="refused user 'admin'"):
        source.run()


def test_criteria_narrow_files_of_subjects_by_their_subjects(cohort, config, fill):
    for number in range(3):
        base = f"/data/projects/P/subjects/sub{number}/resources/DOCS/files/d.txt"
        fill.file(base, b"of sub%d" % number)
    source = XNATSource(
        templates={"doc": "/projects/P/subjects/*/resources/DOCS/files"}, config=str(config)
    )
    source.inputs.criteria = "xnat:mrSessionData/AGE > 88"
    assert [read(path) for path in source.run().outputs.doc] == [b"of sub0", b"of sub1"]


def test_criteria_about_a_project_s_own_files_are_refused(cohort, config, xnat_archive):
    source = XNATSource(templates={"doc": "/projects/P/resources/DOCS/files"}, config=str(config))
    source.inputs.criteria = "xnat:mrSessionData/AGE > 88"
    xnat_archive.requests.clear()
    with pytest.raises(ValueError, match="names neither"):
        source.run()
    assert not xnat_archive.requests


# -- what a name must never do


@pytest.mark.parametrize("value", ["", " ", None])
def test_an_empty_infield_does_not_select_everybody(cohort, config, xnat_archive, value):
    source = XNATSource(templates={"t1": T1}, config=str(config), session=value)
    xnat_archive.requests.clear()
    with pytest.raises(SelectSyntaxError, match="cannot stand for a name"):
        source.run()
    assert not xnat_archive.requests


def test_a_missing_scan_is_not_replaced_by_what_lies_above_it(cohort, config, fill):
    """XNAT falls through to the resources of the subject (XNATTemplate)."""
    for base in ("subjects/sub1", "subjects/sub1/experiments/sub1_MR1"):
        fill.file(f"/data/projects/P/{base}/resources/NIFTI/files/of_all.nii", b"not of the scan")
    template = "/projects/P/subjects/{s}/experiments/{e}/scans/{n}/resources/NIFTI/files/*.nii"
    for session, scan in (("sub1_MR1", "99"), ("absent_MR1", "1")):
        source = XNATSource(templates={"t1": template}, config=str(config))
        source.inputs.trait_set(s="sub1", e=session, n=scan)
        with pytest.raises(NothingMatched):
            source.run()


def test_a_session_of_another_subject_is_not_delivered(cohort, config):
    """XNAT finds an experiment of the project below any of its subjects."""
    template = "/projects/P/subjects/{s}/experiments/{e}/scans/1/resources/NIFTI/files/t1.nii"
    source = XNATSource(templates={"t1": template}, config=str(config), s="sub1", e="sub2_MR1")
    with pytest.raises(NothingMatched):
        source.run()


def test_an_exact_template_says_whose_file_it_is(cohort, config):
    template = "/projects/P/subjects/sub1/experiments/sub1_MR1/scans/1/resources/NIFTI/files/t1.nii"
    outputs = XNATSource(templates={"t1": template}, config=str(config)).run().outputs
    assert outputs.subject_id.startswith("XNAT_S") and outputs.experiment_id.startswith("XNAT_E")
    assert (outputs.subject_label, outputs.scan_type) == ("sub1", "T1w")


def test_lists_with_holes(cohort, config):
    template = "/projects/P/subjects/%s//scans/*[type=T1w]/resources/NIFTI/files/*.nii"
    source = XNATSource(infields=["sids"], outfields=["t1"], config=str(config))
    source.inputs.trait_set(query_template=template, raise_on_empty=False)
    source.inputs.query_template_args = {"t1": [["sids"]]}
    source.inputs.sids = ["sub0", "sub3", "absent"]
    first, second, third = source.run().outputs.t1
    assert read(first) == b"T1 of sub0" and second is None and third is None


def test_a_shared_session_is_seen_in_each_of_its_projects(cohort, config, fill):
    fill.put("/data/projects/Q")
    base = "/data/projects/P/subjects/sub1"
    fill.put(f"{base}/projects/Q", label="guest")
    fill.put(f"{base}/experiments/sub1_MR1/projects/Q", label="guest_MR1")
    template = "/projects/*/experiments/*/scans/*[type=T1w]/resources/NIFTI/files/*.nii"
    outputs = XNATQuery(templates={"t1": template}, config=str(config)).run().outputs
    assert outputs.names == ["P--sub0_MR1", "P--sub1_MR1", "P--sub2_MR1", "Q--guest_MR1"]
    assert outputs.subject_labels == ["sub0", "sub1", "sub2", "guest"]
    template = "/projects/Q/subjects/gue*/experiments/*/scans/1/resources/NIFTI/files/*.nii"
    assert read(XNATSource(templates={"t": template}, config=str(config)).run().outputs.t) == (
        b"T1 of sub1"
    )


def test_companions_are_few_and_known(cohort, config, fill):
    base = "/data/projects/P/subjects/sub1/experiments/sub1_MR1/scans/2/resources/UIDS/files"
    for number in range(6):
        fill.file(f"{base}/1.2.840.{number}", b"%d" % number)
    template = "/projects/P/experiments/sub1_MR1/scans/2/resources/UIDS/files/1.2.840.3"
    source = XNATSource(templates={"d": template}, config=str(config))
    assert len(source.run().outputs.manifest) == 1
    query = XNATQuery(templates={"d": template.replace("840.3", "*")}, config=str(config))
    (record,) = query.run().outputs.records
    assert len(record["files"]["d"]) == 6
    assert not any("companions" in entry for entry in record["files"]["d"])


@pytest.mark.parametrize("name", ["server", "proxy"])
def test_accounts_in_addresses_are_refused(name):
    with pytest.raises(ConfigurationError) as caught:
        XNATSource(**{name: "http://jane:s3cret@example.org"})
    assert "s3cret" not in str(caught.value)


def test_relative_paths_are_meant_where_they_are_given(cohort, config, tmp_path, monkeypatch):
    """A node runs in a folder of its own."""
    monkeypatch.chdir(config.parent)
    source = XNATSource(templates={"t1": ALL_T1}, config=config.name, cache_dir="here")
    assert source.inputs.config == str(config)
    node = Node(source, "source", base_dir=str(tmp_path / "work"))
    assert Path(node.run().outputs.t1[0]).is_relative_to(config.parent / "here")


def test_the_file_that_the_environment_names_is_used_for_its_own_server(
    cohort, config, xnat_archive, monkeypatch
):
    monkeypatch.setenv("NIPYPE_XNAT_CONFIG", str(config))
    source = XNATSource(templates={"t1": ALL_T1}, server=xnat_archive.url)
    assert len(source.run().outputs.t1) == 3
    with pytest.raises(ConfigurationError, match="no account"):
        XNATSource(templates={"t1": ALL_T1}, server="http://127.0.0.1:9").run()


def test_numbers_in_positional_templates(cohort, config):
    source = XNATSource(infields=["n"], config=str(config), n=1)
    source.inputs.query_template = (
        "/projects/P/subjects/sub%d//scans/%01d/resources/NIFTI/files/t1*"
    )
    source.inputs.query_template_args = {"outfiles": [["n", 1]]}
    assert read(source.run().outputs.outfiles[1]) == b"T1 of sub1"


def test_a_template_whose_arguments_are_missing_is_told_before_any_request(
    cohort, config, xnat_archive
):
    source = XNATSource(outfields=["t1"], config=str(config), query_template="/projects/%s/files")
    xnat_archive.requests.clear()
    with pytest.raises(SelectSyntaxError, match="1 places for arguments and gets 0"):
        source.run()
    assert not xnat_archive.requests


def test_an_empty_result_says_why(cohort, config):
    source = XNATSource(templates={"t1": T1}, config=str(config), session="sub3_MR1")
    with pytest.raises(NothingMatched, match="sub3_MR1: no scan matches"):
        source.run()
    source.inputs.trait_set(session="sub1_MR1", criteria="xnat:mrSessionData/AGE > 200")
    with pytest.raises(NothingMatched, match="where xnat:mrSessionData/AGE > 200"):
        source.run()


@pytest.mark.parametrize("sessions", ["*", "sub1_MR1"])
def test_a_warm_run_asks_for_two_listings_and_no_bytes(cohort, config, xnat_archive, sessions):
    template = f"/projects/P/experiments/{sessions}/scans/*[type=T1w]/resources/NIFTI/files/*.nii"

    def run():
        return XNATSource(templates={"t1": template}, config=str(config)).run().outputs.t1

    cold = run()
    xnat_archive.requests.clear()
    assert run() == cold
    paths = [request.path for request in xnat_archive.requests]
    assert len(paths) <= 2, paths
    assert not [path for path in paths if "/files/" in path]


def test_a_warm_run_by_a_record_costs_no_request_and_no_log_in(cohort, config, xnat_archive):
    (record, *_) = XNATQuery(templates={"t1": ALL_T1}, config=str(config)).run().outputs.records

    def run():
        return XNATSource(outfields=["t1"], record=record, config=str(config)).run().outputs.t1

    cold = run()
    note = Path("_nipype/xnat_source.json")
    before = note.stat()
    Path(config).touch()  # a configuration that was written anew is a new connection
    xnat_archive.requests.clear()
    assert run() == cold
    assert not xnat_archive.requests
    assert (note.stat().st_ino, note.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
