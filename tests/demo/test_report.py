"""The report: one file, nothing from outside, nothing that an archive says is taken for HTML."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from html.parser import HTMLParser

import nibabel as nib
import numpy as np
import pytest

from nipype_xnat.demo import heads, pictures, report

EVIL = "<script>alert(1)</script>\"'><img src=http://evil.example/x onerror=alert(2)>&amp;"
PERSON = heads.Person("A", "A_1", "F", 83.0)


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    nib.save(heads.image(PERSON, resolution=4.0), folder / "head.nii.gz")
    nib.save(heads.image(PERSON, "brain", resolution=4.0), folder / "brain.nii.gz")
    smaller = nib.load(folder / "brain.nii.gz")
    data = np.asarray(smaller.dataobj).copy()
    data[: data.shape[0] // 2] = 0
    nib.save(nib.Nifti1Image(data, smaller.affine), folder / "half.nii.gz")
    return folder


def row(images, **kwargs):
    kept = {"head": images / "head.nii.gz", "mask": images / "half.nii.gz"}
    kept["truth"] = images / "brain.nii.gz"
    return report.Row("DEMO001", "DEMO001_MR1", "F", 83, **{**kept, **kwargs})


def write(tmp_path, rows, **kwargs):
    told = {"title": "Title", "tool": "a stand-in", **kwargs}
    return Page(report.write(tmp_path / "r.html", rows, **told).read_text("utf-8"))


def test_every_value_is_escaped(images, tmp_path):
    evil = report.Row(
        EVIL,
        EVIL,
        EVIL,
        83,
        head=images / "head.nii.gz",
        mask=images / "half.nii.gz",
        stored=EVIL,
        problems=(EVIL,),
    )
    lost = report.Row(EVIL, EVIL, EVIL, 83, problems=(EVIL,))
    page = write(tmp_path, [evil, lost], title=EVIL, tool=EVIL, facts={EVIL: EVIL})
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 1
    assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]
    # title, heading, tool; 3 among the missing; 5 in the table; 3 below the picture; 2 facts
    assert page.text.count(EVIL) == 3 + 3 + 5 + 3 + 2


def test_nothing_comes_from_outside(images, tmp_path):
    page = write(tmp_path, [row(images)])
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "base"}
        for name in ("src", "href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/png;base64,", "#"))
    text = re.sub(r"base64,[^\"]*", "", (tmp_path / "r.html").read_text("utf-8"))
    assert not re.search(r"https?:|//[a-z]|url\(|@import", text)
    policy = [a["content"] for t, a in page.tags if a.get("http-equiv")]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_figures_and_links_belong_together(images, tmp_path):
    page = write(tmp_path, [row(images), row(images), report.Row("X", "X_1", problems=("why",))])
    figures = [a["id"] for t, a in page.tags if t == "figure"]
    assert [a["href"] for t, a in page.tags if t == "a"] == [f"#{name}" for name in figures]
    assert len(set(figures)) == 2
    for tag, attributes in page.tags:
        if tag == "img":
            assert "DEMO001" in attributes["alt"]


def test_numbers(images, tmp_path):
    page = write(tmp_path, [row(images)])
    volume = pictures.volume_ml(images / "half.nii.gz")
    overlap = pictures.dice(images / "half.nii.gz", images / "brain.nii.gz")
    assert 0.5 < overlap < 0.8
    assert f"{volume:,.0f}" in page.text and f"{overlap:.3f}" in page.text


def test_missing_sessions_are_named_with_the_reason(tmp_path):
    page = write(tmp_path, [report.Row("DEMO002", "DEMO002_MR1", "M", 87, problems=("no T1w",))])
    for word in ("DEMO002", "DEMO002_MR1", "87", "no T1w", "not delivered"):
        assert word in page.text


def test_a_truth_on_another_grid_is_named_and_not_drawn(images, tmp_path):
    nib.save(heads.image(PERSON, "brain", resolution=5.0), tmp_path / "other.nii.gz")
    page = write(tmp_path, [row(images, truth=tmp_path / "other.nii.gz")])
    assert "not on the same grid" in page.text
    assert "Dice" not in page.text


def test_an_empty_cohort_gives_a_page(tmp_path):
    page = write(tmp_path, [])
    assert "sessions selected" in page.text


def test_volume_counts_millilitres(tmp_path):
    data = np.zeros((10, 10, 10), np.uint8)
    data[:5] = 1
    nib.save(nib.Nifti1Image(data, np.diag([-2.0, 2.0, 2.5, 1.0])), tmp_path / "m.nii")
    assert pictures.volume_ml(tmp_path / "m.nii") == pytest.approx(5.0)


def test_dice_of_equal_and_of_disjoint_masks(tmp_path):
    data = np.zeros((4, 4, 4), np.uint8)
    data[0] = 1
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "a.nii")
    nib.save(nib.Nifti1Image(data[::-1].copy(), np.eye(4)), tmp_path / "b.nii")
    assert pictures.dice(tmp_path / "a.nii", tmp_path / "a.nii") == 1.0
    assert pictures.dice(tmp_path / "a.nii", tmp_path / "b.nii") == 0.0


def test_the_picture_is_a_png_with_both_outlines(images):
    data, width, height = pictures.picture(
        images / "head.nii.gz", images / "half.nii.gz", images / "brain.nii.gz"
    )
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (width, height)
    start = data.index(b"IDAT")
    size = struct.unpack(">I", data[start - 4 : start])[0]
    lines = zlib.decompress(data[start + 4 : start + 4 + size])
    pixels = np.frombuffer(lines, np.uint8).reshape(height, width + 1)[:, 1:]
    assert (pixels == 255).sum() > 200 and (pixels == 254).sum() > 200
    assert pixels[pixels < 254].std() > 20


def test_the_embedded_picture_is_the_picture(images, tmp_path):
    page = write(tmp_path, [row(images)])
    source = next(a["src"] for t, a in page.tags if t == "img")
    made = pictures.picture(images / "head.nii.gz", images / "half.nii.gz", images / "brain.nii.gz")
    assert base64.b64decode(source.split(",", 1)[1]) == made[0]
