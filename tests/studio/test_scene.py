import numpy as np
import pytest

from carmask.studio.car import BODIES, PAINTS, Car
from carmask.studio.renderer import rays
from carmask.studio.scene import ROOM, Camera, Studio, draw_studio, materials, room


def test_the_same_seed_gives_the_same_session_and_sessions_differ():
    assert draw_studio(np.random.default_rng(1)) == draw_studio(np.random.default_rng(1))
    assert len({draw_studio(np.random.default_rng(seed)) for seed in range(20)}) == 20


def test_the_room_is_sound_and_the_camera_stands_in_it():
    for surface in room(Studio(seed=3)):
        assert np.isfinite(surface.mesh.vertices).all()
        assert np.linalg.norm(surface.mesh.normals, axis=1) == pytest.approx(1)
        if surface.uv is not None:
            assert surface.uv.shape == (len(surface.mesh.vertices), 2)
    assert all(draw_studio(np.random.default_rng(seed)).camera.distance < ROOM - 0.3 for seed in range(50))


def test_something_in_the_room_gives_light_and_the_floor_reflects():
    surfaces = room(Studio())
    assert sum(surface.light is not None for surface in surfaces) >= 4
    textures = [surface for surface in surfaces if surface.uv is not None]
    assert len(textures) == 3  # floor, turntable, writing


@pytest.mark.parametrize("paint", PAINTS)
def test_every_paint_has_a_material(paint):
    assert "type" in materials(Car(paint=paint))["paint"]


def test_rays_go_through_the_pixels_centres():
    camera = Camera(distance=10.0, height=2.0, aim=2.0, angle=90.0)
    origin, directions = rays(camera, (2, 4))
    assert origin.tolist() == [10.0, 0.0, 2.0]
    # At 90 degrees the picture is as wide as twice the distance: centres at -0.75, -0.25, 0.25, 0.75 of half the width.
    across = directions[:, 1] / -directions[:, 0]
    assert across == pytest.approx([-0.75, -0.25, 0.25, 0.75] * 2)
    assert directions[:, 2] / -directions[:, 0] == pytest.approx([0.25] * 4 + [-0.25] * 4)
    assert len(BODIES) == 7
