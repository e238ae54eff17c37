"""The stand-in speaks bet's command line, through Nipype's own interface too."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from nipype_xnat.demo import bet, heads

PERSON = heads.Person("A", "A_1", "M", 83.0)


@pytest.fixture(scope="session")
def executable(tmp_path_factory, template):
    """The installed program, its template made once for all tests."""
    program = bet.install(tmp_path_factory.mktemp("bin"))
    shutil.copytree(template, program.parent / "template")
    subprocess.run([program, "--prepare"], check=True)
    return program


@pytest.fixture(scope="session")
def head(tmp_path_factory):
    """A head, and the brain that is in it."""
    folder = tmp_path_factory.mktemp("head")
    path = folder / "head.nii.gz"
    path.write_bytes(heads.nifti_gz(heads.image(PERSON, resolution=4.0)))
    brain = np.asarray(heads.image(PERSON, "brain", resolution=4.0).dataobj) > 0
    return path, brain


@pytest.fixture
def nipype_bet(executable, monkeypatch, tmp_path):
    """Nipype's BET, with the stand-in as the only bet on the PATH."""
    monkeypatch.setenv("NIPYPE_NO_ET", "1")
    monkeypatch.setenv("PATH", f"{executable.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    from nipype.interfaces import fsl

    return fsl.BET


def overlap(one, other):
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def run(executable, *words, **environment):
    plain = {key: value for key, value in os.environ.items() if key != "FSLOUTPUTTYPE"}
    return subprocess.run(
        [executable, *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        env={**plain, **environment},
    )


@pytest.fixture(scope="session")
def plain(executable, head, tmp_path_factory):
    """What comes of no option but -m, from another folder, with an all but empty environment."""
    folder = tmp_path_factory.mktemp("plain")
    shutil.copy(head[0], folder / "it has a blank.nii.gz")
    done = subprocess.run(
        [executable, "it has a blank", "out", "-m"],
        check=False,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_through_nipype(nipype_bet, head, plain):
    path, truth = head
    done = nipype_bet(in_file=str(path), mask=True, frac=0.5, output_type="NIFTI_GZ").run()
    brain, mask = nib.load(done.outputs.out_file), nib.load(done.outputs.mask_file)
    inside = np.asarray(mask.dataobj) > 0
    assert overlap(inside, truth) > 0.9
    source = nib.load(path)
    assert brain.get_data_dtype() == source.get_data_dtype()
    assert np.allclose(brain.affine, source.affine)
    assert np.array_equal(np.asarray(brain.dataobj), np.where(inside, source.dataobj, 0))
    assert "not FSL's algorithm" in done.runtime.stdout
    # the same bytes from the same head: what is uploaded once need not be uploaded again
    assert Path(done.outputs.out_file).read_bytes() == (plain / "out.nii.gz").read_bytes()
    assert Path(done.outputs.mask_file).read_bytes() == (plain / "out_mask.nii.gz").read_bytes()


def test_a_pair_through_nipype_in_another_output_type_with_a_larger_fraction(
    nipype_bet, head, plain, tmp_path
):
    image, header = heads.nifti_pair(nib.load(head[0]))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.img").write_bytes(image)
    (tmp_path / "in" / "x.hdr").write_bytes(header)
    options = {"mask": True, "no_output": True, "robust": True, "frac": 0.8}
    pair = str(tmp_path / "in" / "x.img")
    done = nipype_bet(in_file=pair, output_type="NIFTI", **options).run()
    assert done.runtime.cmdline.endswith(" -f 0.80 -m -n -R")
    assert done.runtime.stderr == ""
    assert [path.name for path in tmp_path.glob("x*")] == ["x_brain_mask.nii"]
    assert done.outputs.mask_file == str(tmp_path / "x_brain_mask.nii")
    small = np.asarray(nib.load(done.outputs.mask_file).dataobj) > 0
    assert overlap(small, head[1]) > 0.9
    middle = np.asarray(nib.load(plain / "out_mask.nii.gz").dataobj) > 0
    # smaller, and nowhere else: the pair is the same head
    assert np.count_nonzero(small) < np.count_nonzero(middle)
    assert not np.any(small & ~middle)


def test_nipype_sees_a_failure(nipype_bet, tmp_path):
    (tmp_path / "no.nii").write_bytes(b"this is not an image")
    with pytest.raises(RuntimeError, match="bet: "):
        nipype_bet(in_file=str(tmp_path / "no.nii")).run()


def test_the_type_decides_on_the_ending_and_the_gradient_tilts(executable, head, plain, tmp_path):
    words = [head[0], tmp_path / "o.nii.gz", "-m", "-g", "0.30"]
    done = run(executable, *words, FSLOUTPUTTYPE="NIFTI_PAIR")
    assert (done.returncode, done.stderr) == (0, "")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["o.hdr", "o.img", "o_mask.hdr", "o_mask.img"]
    tilted = np.asarray(nib.load(tmp_path / "o_mask.img").dataobj) > 0
    middle = np.asarray(nib.load(plain / "out_mask.nii.gz").dataobj) > 0
    half = np.nonzero(middle)[2].mean().astype(int)
    assert tilted[..., :half].sum() > middle[..., :half].sum()
    assert tilted[..., half:].sum() < middle[..., half:].sum()


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["IN"], "usage"),
        (["IN", "OUT", "-f", "1.5"], "-f must lie"),
        (["IN", "OUT", "-g", "2"], "-g must lie"),
        (["IN", "OUT", "-A"], "surfaces"),
        (["IN", "OUT", "-o"], "outline"),
        (["IN", "OUT", "--what"], "--what"),
        (["absent", "OUT"], "no image absent"),
    ],
)
def test_what_cannot_be_done_is_refused(head, tmp_path, capsys, words, word):
    place = {"IN": str(head[0]), "OUT": str(tmp_path / "out")}
    assert bet.main([place.get(item, item) for item in words]) != 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("bet: ") and word in said.err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_output_type_is_refused(head, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FSLOUTPUTTYPE", "MINC")
    assert bet.main([str(head[0]), str(tmp_path / "out")]) != 0
    assert "MINC" in capsys.readouterr().err


def test_a_series_is_refused(tmp_path, capsys):
    series = np.zeros((4, 4, 4, 3), np.int16)
    nib.save(nib.Nifti1Image(series, np.eye(4)), tmp_path / "bold.nii")
    assert bet.main([str(tmp_path / "bold.nii"), str(tmp_path / "out")]) != 0
    assert "4 dimensions" in capsys.readouterr().err


def test_a_stand_in_is_told_from_the_real_one(executable, tmp_path):
    other = tmp_path / "bet"
    other.write_text("#!/bin/sh\necho FSL\n")
    assert bet.is_stand_in(executable)
    assert not bet.is_stand_in(other)
    assert not bet.is_stand_in(tmp_path / "absent")


def test_templates_made_at_once_are_whole(executable, tmp_path):
    folder = tmp_path / "template"
    command = [executable, "--prepare", "--template", folder]
    writers = [subprocess.Popen(command) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    kept = executable.parent / "template"
    assert {path.name for path in folder.iterdir()} == {path.name for path in kept.iterdir()}
    for path in folder.iterdir():
        assert path.read_bytes() == (kept / path.name).read_bytes()
