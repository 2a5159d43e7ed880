import sys

import cv2
import numpy as np
import pytest

from carmask.errors import StudioError
from carmask.studio import renderer
from carmask.studio.mesh import merge
from carmask.studio.primitives import box
from carmask.studio.renderer import Labeller, Renderer, check_installed, rays
from carmask.studio.scene import Camera, Studio, room

needs_mitsuba = pytest.mark.skipif(
    renderer.find_spec("mitsuba") is None or renderer.find_spec("oidn") is None, reason="needs carmask[studio]"
)
CAMERA = Camera()
EIGHT = np.ones((3, 3), np.uint8)


def fine_ball(centre, radius):
    """A ball so finely meshed that a pixel's ray hits it just where it hits the ideal one, but for a hair."""
    from carmask.studio.mesh import Mesh, grid_faces

    turn, rise = np.meshgrid(np.linspace(0, 2 * np.pi, 720, endpoint=False), np.linspace(-np.pi / 2, np.pi / 2, 361))
    ray = np.stack([np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn), np.sin(rise)], -1).reshape(-1, 3)
    return Mesh(ray * radius + np.array(centre), ray, grid_faces(361, 720, closed=True)[:, ::-1])


def ball_mask(centre, radius, size):
    """The oracle: which rays meet a ball, by its equation, and the distance from grazing it."""
    origin, directions = rays(CAMERA, size)
    along = directions @ (np.array(centre) - origin)
    closest = np.linalg.norm(origin + along[:, None] * directions - np.array(centre), axis=1)
    return (closest < radius).reshape(size), np.abs(closest - radius).reshape(size)


@needs_mitsuba
@pytest.mark.parametrize("size", [(64, 96), (33, 47), (427, 640)])
def test_masks_are_exact_at_the_pixels_centres_at_any_size(size):
    centre, radius = (0.3, -0.5, 1.2), 0.9
    mesh = fine_ball(centre, radius)
    labels = np.full(len(mesh.faces), 7, np.uint8)
    got = Labeller(mesh, labels).label(CAMERA, 0.0, size)
    expected, margin = ball_mask(centre, radius, size)
    sure = margin > 2e-4  # the mesh's flat faces lie within 0.04 mm of the ball; the rest is float32
    assert sure.mean() > 0.99
    assert np.array_equal((got == 7)[sure], expected[sure])
    assert set(np.unique(got)) == {0, 7}


@needs_mitsuba
def test_the_car_turns_and_the_nearer_part_hides_the_other():
    size = (60, 90)
    near, far = box((0.4, 0.4, 0.4), (1.0, 0, 1.0)), box((0.4, 0.4, 0.4), (-1.0, 0, 1.0))
    labels = np.repeat(np.array([1, 2], np.uint8), [len(near.faces), len(far.faces)])
    labeller = Labeller(merge([near, far]), labels)
    front, back = labeller.label(CAMERA, 0.0, size), labeller.label(CAMERA, 180.0, size)
    assert (front == 1).sum() > (front == 2).sum()
    assert (back == 2).sum() > (back == 1).sum()
    assert np.array_equal(front > 0, back > 0)
    # Counter-clockwise seen from above: what stood in front comes to the camera's right.
    quarter = labeller.label(CAMERA, 90.0, size)
    assert np.nonzero(quarter == 1)[1].mean() > np.nonzero(quarter == 2)[1].mean()


@needs_mitsuba
def test_photos_show_the_car_where_its_labels_are():
    size = (128, 192)
    pieces = [box((1.2, 0.6, 0.6), (1.0, 0.4, 0.9)), box((0.5, 0.5, 1.2), (-1.2, -0.6, 0.8))]
    black = {"type": "twosided", "inner": {"type": "diffuse", "reflectance": {"type": "rgb", "value": [0.0] * 3}}}
    whole = merge(pieces)
    labeller = Labeller(whole, np.ones(len(whole.faces), np.uint8))
    surroundings = room(Studio())
    del surroundings[4:6]  # the writing and the screen are dark too
    renderer_ = Renderer([("paint", piece) for piece in pieces], {"paint": black}, surroundings)
    for degrees in (0.0, -67.5, -200.0):
        dark = renderer_.photo(CAMERA, degrees, size, samples=8, seed=1).mean(axis=-1) < 0.1
        truth = (labeller.label(CAMERA, degrees, size) > 0).astype(np.uint8)
        # Pixels on the edge are partly dark.
        assert not (dark & (cv2.dilate(truth, EIGHT) == 0)).any()
        assert dark[cv2.erode(truth, EIGHT) > 0].all()
    again = renderer_.photo(CAMERA, 0.0, size, samples=8, seed=1)
    assert np.allclose(again, renderer_.photo(CAMERA, 0.0, size, samples=8, seed=1), atol=2e-3)


@needs_mitsuba
def test_what_lies_below_the_floor_is_not_seen():
    sunk = box((1, 1, 1), (0, 0, -0.6))
    assert not Labeller(sunk, np.ones(len(sunk.faces), np.uint8)).label(CAMERA, 0.0, (40, 60)).any()


@needs_mitsuba
def test_an_llvm_that_aborts_is_found_out_in_a_child(monkeypatch):
    monkeypatch.setattr(renderer, "_PROBE", "import os; os.abort()")
    renderer.choose_variant.cache_clear()
    try:
        assert renderer.choose_variant() == "scalar_rgb"
    finally:
        renderer.choose_variant.cache_clear()


def test_without_mitsuba_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(renderer, "find_spec", lambda _: None)
    with pytest.raises(StudioError, match=r"mitsuba and oidn: pip install 'carmask\[studio\]'"):
        check_installed()


def test_nothing_here_loads_the_renderer_before_it_is_needed():
    import subprocess

    code = "import sys, carmask.studio.renderset; sys.exit('mitsuba' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
