"""Slices of a head with the brain's outline drawn, as PNG; and two figures of a mask.

An image needs 254 greys and two colours, so an indexed PNG holds it in a third of the bytes; and
writing one takes thirty lines, less than a plotting library takes to import.
"""

from __future__ import annotations

import os
import struct
import zlib

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: Colours of the outlines: what was found, and what is true. Told apart by the colour-blind too.
FOUND, TRUE = "#35c9ff", "#ffb02e"

_FOUND, _TRUE = 255, 254
_HEIGHT = 232
_GAP = 8

Path = str | os.PathLike[str]


def volume_ml(mask: Path) -> float:
    """Volume of what a mask marks, in millilitres."""
    image = nib.load(mask)
    voxel = abs(float(np.linalg.det(image.affine[:3, :3])))
    return float(np.count_nonzero(np.asarray(image.dataobj)) * voxel / 1000.0)


def dice(mask: Path, truth: Path) -> float:
    """Overlap of two masks on one grid: 1 where they are the same, 0 where they do not meet.

    Raises
    ------
    ValueError
        If the two are not on the same grid.
    """
    one, other = nib.load(mask), nib.load(truth)
    if one.shape != other.shape or not np.allclose(one.affine, other.affine, atol=1e-2):
        raise ValueError(f"{os.fspath(mask)} and {os.fspath(truth)} are not on the same grid")
    first, second = np.asarray(one.dataobj) > 0, np.asarray(other.dataobj) > 0
    both = np.count_nonzero(first) + np.count_nonzero(second)
    return float(2.0 * np.count_nonzero(first & second) / both) if both else 0.0


def picture(head: Path, mask: Path, truth: Path | None = None) -> tuple[bytes, int, int]:
    """Draw an axial, a coronal and a sagittal slice through the middle of the brain.

    Parameters
    ----------
    head, mask : path
        An image and the brain that was found in it.
    truth : path, optional
        The brain that is in it.

    Returns
    -------
    tuple of bytes, int, int
        A PNG, its width and its height. Left in the picture is left in the head.
    """
    image = nib.as_closest_canonical(nib.load(head))
    voxels = np.asarray(image.dataobj, dtype=np.float32)
    sizes = image.header.get_zooms()[:3]
    masks = [(_mask(mask), _FOUND)]
    if truth is not None:
        masks.insert(0, (_mask(truth), _TRUE))
    brain = masks[-1][0]
    marked = np.argwhere(brain) if brain.any() else np.argwhere(np.ones_like(brain))
    middle = marked.mean(axis=0).round().astype(int)
    low, high = np.percentile(voxels, (2.0, 99.6))
    grey = np.clip((voxels - low) / max(float(high - low), 1e-6), 0.0, 1.0)
    panels = []
    for axis in (2, 1, 0):
        rest = [float(size) for index, size in enumerate(sizes) if index != axis]
        shape = grey.shape[:axis] + grey.shape[axis + 1 :]
        scale = _HEIGHT / (shape[1] * rest[1])
        factors = [scale * size for size in rest]
        panel = _enlarged(np.take(grey, middle[axis], axis), factors) * 253.0
        drawn = np.rint(np.clip(panel, 0, 253)).astype(np.uint8)
        for marks, colour in masks:
            flat = np.take(marks, middle[axis], axis).astype(np.float32)
            inside = _enlarged(flat, factors) >= 0.5
            drawn[inside & ~ndimage.binary_erosion(inside, iterations=2)] = colour
        panels.append(np.flipud(drawn.T))
    row: list[NDArray[np.uint8]] = []
    for panel in panels:
        row += [panel, np.zeros((panel.shape[0], _GAP), np.uint8)]
    whole = np.hstack(row[:-1])
    return _png(whole), whole.shape[1], whole.shape[0]


def _mask(path: Path) -> NDArray[np.bool_]:
    marks: NDArray[np.bool_] = np.asarray(nib.as_closest_canonical(nib.load(path)).dataobj) > 0
    return marks


def _enlarged(flat: NDArray[np.float32], factors: list[float]) -> NDArray[np.float32]:
    larger: NDArray[np.float32] = ndimage.zoom(
        flat, factors, order=1, grid_mode=True, mode="nearest"
    )
    return larger


def _png(pixels: NDArray[np.uint8]) -> bytes:
    height, width = pixels.shape
    palette = bytearray()
    for level in range(254):
        palette += bytes([round(level * 255 / 253)] * 3)
    for colour in (TRUE, FOUND):
        palette += bytes.fromhex(colour.lstrip("#"))
    rows = b"".join(b"\0" + line.tobytes() for line in pixels)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + _chunk(b"PLTE", bytes(palette))
        + _chunk(b"IDAT", zlib.compress(rows, 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
