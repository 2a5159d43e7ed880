import numpy as np

from carmask.studio.photograph import encode_srgb, photograph


def test_the_srgb_curve_at_known_points():
    # IEC 61966-2-1: 18 % grey is 118 of 255, half the light 188.
    light = np.array([0.0, 0.18, 0.5, 1.0, 2.0, -1.0], np.float32)
    assert (encode_srgb(light) * 255).round().tolist() == [0, 118, 188, 255, 255, 0]


def test_the_same_chance_gives_the_same_photo_and_another_one_another():
    light = np.full((40, 60, 3), 0.3, np.float32)
    first, again, other = (photograph(light, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.uint8
    assert first.shape == (40, 60, 3)


def test_noise_grows_with_light_and_can_be_left_out():
    dark, bright = (
        photograph(np.full((200, 200, 3), level, np.float32), np.random.default_rng(4)).astype(float)[80:120, 80:120]
        for level in (0.05, 0.5)
    )
    clean = photograph(np.full((200, 200, 3), 0.5, np.float32), np.random.default_rng(4), noise=0)
    assert clean[80:120, 80:120].std(axis=(0, 1)).max() < 0.6
    for noisy in (dark, bright):
        assert 0.4 < noisy.std(axis=(0, 1)).mean() < 4


def test_corners_are_darker_and_edges_softer():
    light = np.full((100, 150, 3), 0.5, np.float32)
    photo = photograph(light, np.random.default_rng(1), noise=0)
    assert photo[0, 0].mean() < photo[50, 75].mean()
    edge = np.zeros((20, 1918, 3), np.float32)
    edge[:, 960:] = 0.8
    row = photograph(edge, np.random.default_rng(1), noise=0)[10, 940:980, 1].astype(int)
    assert 2 <= ((row > 10) & (row < row.max() - 10)).sum() <= 6
    assert row[0] == 0
