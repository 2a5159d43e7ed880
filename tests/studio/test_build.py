import numpy as np
import pytest

from carmask.studio.build import build_car, by_material, with_labels
from carmask.studio.car import BODIES, draw_car
from carmask.studio.parts import PARTS, Piece, label_of
from carmask.studio.scene import materials

ALWAYS = {"front_bumper", "back_bumper", "front_glass", "hood", "wheel", "body", "plate", "side_glass"}
ALWAYS |= {f"front_{side}_{part}" for side in ("left", "right") for part in ("door", "light")}
ALWAYS |= {f"{side}_mirror" for side in ("left", "right")} | {f"back_{side}_light" for side in ("left", "right")}


@pytest.fixture(scope="module", params=BODIES)
def built(request):
    car = draw_car(np.random.default_rng(9), body=request.param, hard=["antenna"])
    return car, build_car(car, detail=0.12)


def test_every_car_has_the_parts_of_a_car(built):
    car, pieces = built
    parts = {piece.part for piece in pieces if len(piece.mesh.faces)}
    assert ALWAYS <= parts <= set(PARTS)
    assert {"tailgate", "trunk"} & parts
    assert "antenna" in parts
    assert ("back_left_door" in parts) == (car.doors == 4)


def test_every_piece_is_made_of_something_and_sound(built):
    car, pieces = built
    assert {piece.material for piece in pieces} <= set(materials(car))
    for piece in pieces:
        assert np.isfinite(piece.mesh.vertices).all()
        assert np.isfinite(piece.mesh.normals).all()
        assert piece.mesh.faces.max(initial=-1) < len(piece.mesh.vertices)


def test_it_stands_on_the_floor_within_its_measures(built):
    car, pieces = built
    mesh, labels = with_labels(pieces)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    assert -0.012 < low[2] <= 0
    assert high[2] < car.height + 0.6  # an antenna
    assert high[0] - low[0] < car.length + 0.15
    assert high[1] - low[1] < car.width + 0.5  # mirrors
    wheels = mesh.vertices[np.unique(mesh.faces[labels == label_of("wheel")])]
    assert wheels[:, 2].min() == low[2]
    assert abs(high[1] + low[1]) < 0.01


def test_labels_cover_all_faces_and_nothing_is_unlabelled(built):
    _, pieces = built
    mesh, labels = with_labels(pieces)
    assert labels.dtype == np.uint8
    assert len(labels) == len(mesh.faces) == sum(len(group.faces) for _, group in by_material(pieces))
    assert labels.min() >= 1
    assert labels.max() <= len(PARTS)


def test_the_same_car_is_the_same_mesh_to_the_last_bit():
    car = draw_car(np.random.default_rng(2))
    first, second = (with_labels(build_car(car, detail=0.1)) for _ in range(2))
    assert np.array_equal(first[0].vertices, second[0].vertices)
    assert np.array_equal(first[0].faces, second[0].faces)
    assert np.array_equal(first[1], second[1])


def test_mirroring_swaps_left_and_right():
    piece = Piece("front_left_door", "paint", with_labels(build_car(BODIES["coupe"], detail=0.08))[0])
    assert piece.mirrored().part == "front_right_door"
    assert piece.mirrored().mirrored().part == "front_left_door"
    assert np.array_equal(piece.mirrored().mesh.vertices[:, 1], -piece.mesh.vertices[:, 1])


def test_an_unknown_part_has_no_label():
    with pytest.raises(ValueError, match="not in"):
        label_of("fin")
