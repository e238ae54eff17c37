"""XNATSink: an end state, stated safely and repeatably."""

import subprocess
import sys
from pathlib import Path

import pytest

from nipype_xnat import Interface, XNATSink, XNATSource
from nipype_xnat.archive import Archive, Site
from nipype_xnat.errors import ConfigurationError, Conflict, NotFound, UsageError


def make(folder, **files):
    paths = {}
    for name, data in files.items():
        path = Path(folder) / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data)
        paths[name] = str(path)
    return paths


def listed(fill, base):
    rows = fill.call("GET", f"{base}/files?format=json").json()["ResultSet"]["Result"]
    return sorted((row["collection"], row["URI"].partition("/files/")[2]) for row in rows)


def sink_for(config, **inputs):
    names = {"project_id": "P", "subject_id": "sub1", "experiment_id": "sub1_MR1"}
    return XNATSink(config=str(config), **{**names, **inputs})


BASE = "/data/projects/P/subjects/sub1/experiments/sub1_MR1"


def test_names_of_inputs_say_where(cohort, config, fill, tmp_path):
    files = make(tmp_path, brain__nii="b", mask__nii="m", log__txt="l", one="1", two="2")
    sink = sink_for(config)
    sink.inputs.bet = files["brain__nii"]
    setattr(sink.inputs, "bet.@mask", files["mask__nii"])
    setattr(sink.inputs, "bet.logs", files["log__txt"])
    setattr(sink.inputs, "lists@1", [files["one"], [files["two"]]])
    outputs = sink.run().outputs
    assert listed(fill, BASE) == [
        ("bet", "brain.nii"),
        ("bet", "logs/log.txt"),
        ("bet", "mask.nii"),
        ("lists", "one"),
        ("lists", "two"),
    ]
    assert sorted(Path(e["source"]).name for e in outputs.stored) == [
        "brain.nii",
        "log.txt",
        "mask.nii",
        "one",
        "two",
    ]
    assert outputs.address[0].startswith(
        "/projects/P/subjects/sub1/experiments/sub1_MR1/resources/"
    )


def test_a_second_run_sends_nothing(cohort, config, fill, tmp_path, xnat_archive):
    sink = sink_for(config)
    sink.inputs.bet = make(tmp_path, brain="b")["brain"]
    assert [e["action"] for e in sink.run().outputs.stored] == ["send"]
    xnat_archive.requests.clear()
    assert [e["action"] for e in sink.run().outputs.stored] == ["keep"]
    assert {r.method for r in xnat_archive.requests} <= {"GET"}


def test_other_content_is_replaced_or_refused(cohort, config, fill, tmp_path):
    sink = sink_for(config)
    sink.inputs.bet = make(tmp_path / "1", brain="one")["brain"]
    sink.run()
    sink = sink_for(config, overwrite=False)
    sink.inputs.bet = make(tmp_path / "2", brain="two")["brain"]
    with pytest.raises(Conflict, match="brain"):
        sink.run()
    sink.inputs.overwrite = True
    assert [e["action"] for e in sink.run().outputs.stored] == ["replace"]
    assert fill.call("GET", f"{BASE}/resources/bet/files/brain").text == "two"


def test_names_are_kept_as_they_are(cohort, config, fill, tmp_path):
    """Nipype's own XNATSink makes a_b_c.nii of a_b---c.nii."""
    sink = sink_for(config)
    path = tmp_path / "a_b---c d.nii"
    path.write_text("x")
    sink.inputs.bet = str(path)
    sink.run()
    assert listed(fill, BASE) == [("bet", "a_b---c d.nii")]


def test_a_folder_is_stored_whole(cohort, config, fill, tmp_path, xnat_archive):
    folder = tmp_path / "recon"
    for name in ("mri/T1.mgz", "mri/orig/001.mgz", "surf/lh.white", "empty"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("" if name == "empty" else name)
    sink = sink_for(config)
    sink.inputs.recon = str(folder)
    sink.run()
    assert [name for _, name in listed(fill, BASE)] == [
        "empty",
        "mri/T1.mgz",
        "mri/orig/001.mgz",
        "surf/lh.white",
    ]


@pytest.mark.parametrize("level", ["assessor", "reconstruction"])
def test_assessors_and_reconstructions(cohort, config, fill, tmp_path, level):
    sink = sink_for(config, **{f"{level}_id": "BET_1"})
    sink.inputs.bet = make(tmp_path, brain="b")["brain"]
    sink.run()
    assert listed(fill, f"{BASE}/{level}s/BET_1/out") == [("bet", "brain")]


def test_a_scan(cohort, config, fill, tmp_path):
    sink = sink_for(config, scan_id="1")
    sink.inputs.bet = make(tmp_path, brain="b")["brain"]
    sink.run()
    assert ("bet", "brain") in listed(fill, f"{BASE}/scans/1")
    with pytest.raises(NotFound, match="no scan"):
        other = sink_for(config, scan_id="99")
        other.inputs.bet = make(tmp_path, brain="b")["brain"]
        other.run()


def test_missing_subjects_and_experiments_are_made_or_refused(cohort, config, fill, tmp_path):
    sink = sink_for(config, subject_id="new", experiment_id="new_results", create=False)
    sink.inputs.bet = make(tmp_path, brain="b")["brain"]
    with pytest.raises(NotFound):
        sink.run()
    sink.inputs.create = True
    sink.inputs.experiment_type = "xnat:petSessionData"
    sink.run()
    base = "/data/projects/P/subjects/new/experiments/new_results"
    assert listed(fill, base) == [("bet", "brain")]
    item = fill.call("GET", base + "?format=json").json()["items"][0]
    assert item["meta"]["xsi:type"] == "xnat:petSessionData"


def test_a_session_of_another_subject_is_not_taken(cohort, config, fill, tmp_path):
    sink = sink_for(config, subject_id="sub2")
    sink.inputs.bet = make(tmp_path, brain="b")["brain"]
    with pytest.raises(NotFound, match="another subject"):
        sink.run()


def test_ids_of_a_source_fit_the_sink(cohort, config, fill, tmp_path):
    template = "/projects/P/experiments/sub1_MR1/scans/1/resources/NIFTI/files/*.nii"
    found = XNATSource(templates={"t1": template}, config=str(config)).run().outputs
    sink = sink_for(
        config,
        project_id=found.project_id,
        subject_id=found.subject_id,
        experiment_id=found.experiment_id,
    )
    sink.inputs.bet = make(tmp_path, brain="b")["brain"]
    sink.run()
    assert listed(fill, BASE) == [("bet", "brain")]


def test_share(cohort, config, fill, tmp_path):
    """Results in a project of their own, for a subject that belongs to another one."""
    subject = fill.call("GET", "/data/projects/P/subjects/sub1?format=json").json()["items"][0]
    number = subject["data_fields"]["ID"]
    sink = sink_for(config, project_id="RESULTS", subject_id=number, experiment_id="R1", share=True)
    sink.inputs.bet = make(tmp_path, brain="b")["brain"]
    sink.run()
    assert listed(fill, f"/data/projects/RESULTS/subjects/{number}/experiments/R1") == [
        ("bet", "brain")
    ]
    assert listed(fill, "/data/projects/P/subjects/sub1/experiments/R1") == [("bet", "brain")]
    sink.run()  # and again, with everything shared already


def test_two_files_of_one_name_are_refused_before_any_request(
    cohort, config, xnat_archive, tmp_path
):
    sink = sink_for(config)
    one, two = make(tmp_path / "1", brain="1")["brain"], make(tmp_path / "2", brain="2")["brain"]
    sink.inputs.bet = [one, two]
    xnat_archive.requests.clear()
    with pytest.raises(UsageError, match="would both be 'brain'"):
        sink.run()
    assert not xnat_archive.requests
    sink.inputs.substitutions = [("x", "y")]
    sink.inputs.regexp_substitutions = [("^brain$", "cortex")]
    sink.inputs.bet = one
    sink.run()


def test_iterables_keep_apart(cohort, config, fill, tmp_path):
    sink = sink_for(config)
    folders = [tmp_path / "_sid_sub1" / f"_frac_{value}" for value in ("0.3", "0.5")]
    sink.inputs.bet = [make(folder, brain=folder.name)["brain"] for folder in folders]
    sink.run()
    assert listed(fill, BASE) == [("bet", "_frac_0.3/brain"), ("bet", "_frac_0.5/brain")]


def test_elements_of_a_map_node_keep_apart_where_their_names_do_not(cohort, config, fill, tmp_path):
    folders = [tmp_path / "work" / "bet" / "mapflow" / f"_bet{n}" for n in range(2)]
    files = [make(folder, brain=folder.name, other=folder.name) for folder in folders]
    sink = sink_for(config)
    sink.inputs.bet = [made["brain"] for made in files]
    sink.inputs.one = files[1]["brain"]
    sink.run()
    assert listed(fill, BASE) == [("bet", "_bet0/brain"), ("bet", "_bet1/brain"), ("one", "brain")]


def test_nothing_to_store_and_absent_files_are_told(cohort, config, tmp_path):
    with pytest.raises(UsageError, match="nothing to store"):
        sink_for(config).run()
    sink = sink_for(config)
    sink.inputs.bet = str(tmp_path / "absent")
    with pytest.raises(UsageError, match="there is no file"):
        sink.run()


def test_credentials_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="save_config"):
        XNATSink(server="https://x.org", user="me", pwd="s3cret")
    sink = XNATSink()
    with pytest.raises(ConfigurationError, match="save_config"):
        sink.inputs.pwd = "s3cret"
    assert "s3cret" not in repr(sink.inputs)


def test_a_site_that_demands_a_reason(tmp_path):
    site = Site(require_change_reason=True, durable=False)
    with Archive(tmp_path / "archive", site) as archive, archive.running() as url:
        path = tmp_path / "c.json"
        with Interface(url, "admin", "admin", event_reason="setup") as client:
            client.save_config(path)
            client.select.project("P").create()
        sink = sink_for(path)
        sink.inputs.bet = make(tmp_path, brain="b")["brain"]
        with pytest.raises(Exception, match="event_reason"):
            sink.run()
        sink.inputs.event_reason = "BET of 2024"
        sink.run()


WRITER = """
import sys
from nipype_xnat import XNATSink
config, folder, *names = sys.argv[1:]
sink = XNATSink(config=config, project_id="P", subject_id="sub1", experiment_id="sub1_MR1")
sink.inputs.shared = [f"{folder}/{name}" for name in names]
sink.run()
"""


def test_two_sinks_on_one_resource_at_once_lose_nothing(cohort, config, fill, tmp_path):
    names = [[f"{who}{n}.bin" for n in range(12)] for who in "ab"]
    for name in names[0] + names[1]:
        (tmp_path / name).write_bytes(name.encode() * 50_000)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(config), str(tmp_path), *mine])
        for mine in names
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    assert [name for _, name in listed(fill, BASE)] == sorted(names[0] + names[1])
    for name in names[0] + names[1]:
        data = fill.call("GET", f"{BASE}/resources/shared/files/{name}").content
        assert data == (tmp_path / name).read_bytes()


def test_iterables_whose_values_hold_the_subject_s_name_keep_apart(cohort, config, fill, tmp_path):
    fill.session("P", "1", "1_MR1")
    sink = sink_for(config, subject_id="1", experiment_id="1_MR1")
    folders = [tmp_path / name for name in ("_x_1", "_x_10", "a" * 40, "b" * 40)]
    sink.inputs.bet = [make(folder, brain=folder.name)["brain"] for folder in folders]
    sink.run()
    base = "/data/projects/P/subjects/1/experiments/1_MR1"
    assert [name for _, name in listed(fill, base)] == sorted(f"{f.name}/brain" for f in folders)


def test_links_in_a_folder_are_followed_and_dead_ones_told(cohort, config, fill, tmp_path):
    folder, outside = tmp_path / "out", tmp_path / "outside"
    for path in (folder / "real" / "x", outside / "y"):
        path.parent.mkdir(parents=True)
        path.write_text("x")
    (folder / "link").symlink_to(outside)
    sink = sink_for(config)
    sink.inputs.tree = str(folder)
    sink.run()
    assert [name for _, name in listed(fill, BASE)] == ["link/y", "real/x"]
    (folder / "dead").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="leads nowhere"):
        sink.run()
    (folder / "dead").unlink()
    (folder / "real" / "round").symlink_to(folder)
    with pytest.raises(UsageError, match="circle"):
        sink.run()


def test_an_empty_folder_is_no_result(cohort, config, tmp_path):
    (tmp_path / "empty").mkdir()
    sink = sink_for(config)
    sink.inputs.tree = str(tmp_path / "empty")
    with pytest.raises(UsageError, match="is empty"):
        sink.run()


def test_folders_that_name_the_session_by_its_label_are_left_out(cohort, config, fill, tmp_path):
    """Iterables hold labels, a source hands on ids."""
    item = fill.call("GET", BASE + "?format=json").json()["items"][0]["data_fields"]
    sink = sink_for(config, subject_id=item["subject_ID"], experiment_id=item["ID"])
    folder = tmp_path / "_session_sub1_MR1" / "_frac_0.3"
    sink.inputs.bet = make(folder, brain="b")["brain"]
    sink.run()
    assert listed(fill, BASE) == [("bet", "_frac_0.3/brain")]


def test_a_misspelt_input_of_a_sink_is_named(cohort, config):
    sink = sink_for(config)
    sink.inputs.overwrit = True
    with pytest.raises(UsageError, match="'overwrit' is no input"):
        sink.run()
