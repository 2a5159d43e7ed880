import numpy as np
import pytest

from carmask.studio.car import BODIES, draw_car
from carmask.studio.shape import Shape, bent, mesh_of, smooth_max


def test_smooth_max_is_the_larger_value_away_from_the_edge():
    a, b = np.array([0.0, 1.0, 0.5]), np.array([1.0, 0.0, 0.5])
    result = smooth_max(a, b, radius=0.4)
    assert result == pytest.approx([1.0, 1.0, 0.5 + 0.1])  # at the edge, a quarter of the radius more


def test_a_bent_line_keeps_its_slopes():
    x = np.array([-100.0, -99.0, 99.0, 100.0])
    y = bent(x, [(-1, 5), (0, 3), (1, 4)], 0.3)
    assert y[1] - y[0] == pytest.approx(-2, abs=1e-4)
    assert y[3] - y[2] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("body", BODIES)
def test_the_skin_lies_on_the_surface_and_has_the_cars_measures(body):
    car = draw_car(np.random.default_rng(5), body=body)
    shape = Shape(car)
    skin = mesh_of(shape, detail=0.12)
    assert np.abs(shape.surface(skin.vertices)).max() < 2e-3  # a ray that crossed the surface twice would be off
    assert np.linalg.norm(skin.normals, axis=1) == pytest.approx(1)
    x, y, z = skin.vertices.T
    assert y.min() == 0
    assert x.max() - x.min() == pytest.approx(car.length, abs=0.07)
    assert 2 * y.max() == pytest.approx(car.width, abs=0.10)
    assert z.max() == pytest.approx(car.height, abs=0.03)
    assert z.min() == pytest.approx(car.clearance, abs=0.03)
    # The faces wind the way the normals point.
    a, b, c = (skin.vertices[skin.faces[:, i]] for i in range(3))
    assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), skin.normals[skin.faces[:, 0]]) > 0).mean() > 0.995
