"""The heads: the same at each run, different among subjects, older where older."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from nipype_xnat.demo import heads

COARSE = 4.0


def person(subject: str = "A", session: str = "A_1", sex: str = "F", age: float = 70.0):
    return heads.Person(subject, session, sex, age)


def voxels(*args, **kwargs):
    return np.asarray(heads.image(*args, resolution=COARSE, **kwargs).dataobj)


def test_the_same_bytes_in_another_process_with_another_number_of_threads():
    code = (
        "import hashlib, sys; from nipype_xnat.demo import heads; "
        "p = heads.Person('A', 'A_1', 'F', 70.0); "
        "d = heads.nifti_gz(heads.image(p, resolution=4.0)); "
        "print(hashlib.md5(d).hexdigest())"
    )
    digests = set()
    for threads, seed in (("1", "1"), ("2", "77")):
        environment = dict(os.environ, OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads)
        environment["PYTHONHASHSEED"] = seed
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, check=True, capture_output=True
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_the_gzip_header_holds_neither_time_nor_name():
    data = heads.nifti_gz(heads.image(person(), resolution=8.0))
    flags, time = data[3], data[4:8]
    assert flags == 0
    assert time == b"\0\0\0\0"
    assert gzip.decompress(data)[344:348] == b"n+1\0"


@pytest.mark.parametrize(
    "other",
    [
        person(subject="B"),
        person(session="A_2"),
        person(sex="M"),
        person(age=95.0),
    ],
)
def test_whoever_differs_gets_another_image(other):
    assert not np.array_equal(voxels(person()), voxels(other))


def test_another_seed_gives_other_heads():
    assert not np.array_equal(voxels(person()), voxels(person(), seed=1))


def test_head_and_brain_are_on_one_grid_and_of_the_right_kind():
    head = heads.image(person(), resolution=COARSE)
    brain = heads.image(person(), "brain", resolution=COARSE)
    assert head.shape == brain.shape
    assert np.array_equal(head.affine, brain.affine)
    assert head.get_data_dtype() == np.int16
    assert brain.get_data_dtype() == np.uint8
    assert set(np.unique(brain.dataobj)) == {0, 1}
    # the brain is what is bright: a mask that went another way than its head would not be
    signal, inside = np.asarray(head.dataobj, float), np.asarray(brain.dataobj) > 0
    assert signal[inside].mean() > 2.5 * signal[~inside].mean()


def test_volumes_are_those_of_people_and_men_have_larger_heads():
    def volume(sex: str) -> float:
        brains = [voxels(person(f"S{n}", sex=sex), "brain").sum() for n in range(6)]
        return float(np.mean(brains)) * COARSE**3 / 1000

    women, men = volume("F"), volume("M")
    assert 900 < women < men < 1700


def test_ventricles_grow_with_age():
    def dark(age: float) -> int:
        # same session name: same pose, coil and noise
        head = voxels(person(age=age))
        centre = tuple(slice(int(0.4 * n), int(0.65 * n)) for n in head.shape)
        inside = voxels(person(age=age), "brain")[centre] > 0
        return int(((head[centre] < 420) & inside).sum())

    assert dark(95.0) > 1.15 * dark(50.0)


def test_the_second_contrast_is_another_one():
    head, second = voxels(person()), voxels(person(), "T2w")
    inside = voxels(person(), "brain") > 0
    assert np.corrcoef(head[inside], second[inside])[0, 1] < -0.5


def test_a_pair_is_the_same_image(tmp_path):
    head = heads.image(person(), resolution=8.0)
    image, header = heads.nifti_pair(head)
    (tmp_path / "x.img").write_bytes(image)
    (tmp_path / "x.hdr").write_bytes(header)
    back = nib.load(tmp_path / "x.img")
    assert isinstance(back, nib.Nifti1Pair) and not isinstance(back, nib.Nifti1Image)
    assert np.array_equal(back.dataobj, head.dataobj)
    assert np.allclose(back.affine, head.affine)
    assert (image, header) == heads.nifti_pair(heads.image(person(), resolution=8.0))
