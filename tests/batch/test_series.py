from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from carmask.batch.job import Job
from carmask.batch.outputs import OutputSpec
from carmask.batch.process import PhotoCutter
from carmask.batch.series import SeriesBox, with_series
from carmask.batch.storage import LocalStorage
from carmask.compositing.background import Background
from carmask.compositing.placement import Placing
from carmask.compositing.style import RenderStyle
from carmask.errors import UsageError
from carmask.geometry import Box


def view(path, top, left, size=(128, 192), factor=1):
    pixels = np.full((size[0] * factor, size[1] * factor, 3), 230, np.uint8)
    pixels[top * factor : (top + 40) * factor, left * factor : (left + 64) * factor] = 20
    Image.fromarray(pixels).save(path)
    return path


def test_jobs_learn_their_views():
    jobs = [Job(f"p/{name}.jpg", name, ()) for name in ("a_01", "a_02", "sub/a_01", "b_07", "plain", "a_mask")]
    found = {job.name: job.series for job in with_series(jobs)}
    assert found["a_01"] == found["a_02"] == ("p/a_01.jpg", "p/a_02.jpg")
    assert all(not found[name] for name in ("sub/a_01", "b_07", "plain", "a_mask"))


def test_photos_that_a_camera_numbered_are_views_of_one_car():
    jobs = [
        Job(name, name, ()) for name in ("IMG_1022", "IMG_1021", "sub/IMG_1023", "sub/IMG_1024", "DSC01021", "0007")
    ]
    found = {job.name: job.series for job in with_series(jobs)}
    assert found["IMG_1021"] == ("IMG_1022", "IMG_1021")
    assert found["sub/IMG_1023"] == ("sub/IMG_1023", "sub/IMG_1024")
    assert not found["DSC01021"]


def test_a_turntable_without_a_series_is_refused_and_a_single_view_is_named(dark, tmp_path):
    with pytest.raises(UsageError, match=r"rule: turntable: no two of 2 photos are views of one car; name them CAR_01"):
        with_series([Job("a_01.jpg", "a_01", ()), Job("plain.jpg", "plain", ())])
    path = view(tmp_path / "b_01.png", 40, 48)
    spec = OutputSpec(background=Background.parse("white"), style=RenderStyle(placing=Placing("turntable")))
    result = PhotoCutter(dark, spec, LocalStorage())(Job(path, "b_01", (tmp_path / "out.png",)))
    assert (result.status, result.reason) == ("done", "no other view of this car: placed by itself")


def test_the_box_is_that_of_all_views_whatever_their_sizes(dark, tmp_path):
    series = (view(tmp_path / "a_01.png", 40, 48), view(tmp_path / "a_02.png", 48, 64, factor=2))
    box = SeriesBox(dark, LocalStorage().read).find((*series, tmp_path / "missing.png"), (128, 192))
    # Found in the network's frame, a quarter of the photo.
    assert box == pytest.approx(Box(40, 48, 88, 128), abs=4)
    assert SeriesBox(dark, LocalStorage().read).find((), (128, 192)) is None


def test_views_are_looked_at_once(dark, tmp_path):
    series = (view(tmp_path / "a_01.png", 40, 48), view(tmp_path / "a_02.png", 48, 64))
    box = SeriesBox(dark, LocalStorage().read)
    assert box.find(series, (128, 192)) == box.find(series, (128, 192))
    assert len(dark.seen) == 2


def test_each_view_of_a_turntable_is_predicted_once(dark, tmp_path):
    paths = [view(tmp_path / f"a_{number:02d}.png", 40 + number, 48) for number in range(1, 5)]
    spec = OutputSpec(mask=True, background=Background.parse("white"), style=RenderStyle(placing=Placing("turntable")))

    def jobs(out):
        made = [
            Job(path, path.stem, tuple(tmp_path / out / file for file in spec.outputs(path.stem))) for path in paths
        ]
        return with_series(made)

    cutter = PhotoCutter(dark, spec, LocalStorage())
    with ThreadPoolExecutor(3) as pool:
        assert all(result.status == "done" for result in pool.map(cutter, jobs("out")))
    assert len(dark.seen) == 4
    # The masks are those of views by themselves.
    alone = PhotoCutter(dark, OutputSpec(mask=True), LocalStorage())
    for path in paths:
        alone(Job(path, path.stem, (tmp_path / "alone.png",)))
        assert (tmp_path / "alone.png").read_bytes() == (tmp_path / "out" / f"{path.stem}_mask.png").read_bytes()


def test_a_view_that_cannot_be_read_fails_alone(dark, tmp_path):
    paths = [view(tmp_path / f"a_{number:02d}.png", 40, 48) for number in (1, 2)]
    paths.append(tmp_path / "a_03.png")
    paths[2].write_bytes(b"no photo")
    spec = OutputSpec(style=RenderStyle(placing=Placing("turntable")))
    jobs = with_series([Job(path, path.stem, (tmp_path / "out" / f"{path.stem}.png",)) for path in paths])
    results = [PhotoCutter(dark, spec, LocalStorage())(job) for job in jobs]
    assert [result.status for result in results] == ["done", "done", "failed"]
    assert "not an image" in results[2].reason


def test_all_views_share_scale_and_horizon(dark, tmp_path):
    for number, place in enumerate(((40, 48), (44, 60)), 1):
        view(tmp_path / f"a_{number:02d}.png", *place)
    placing = Placing("turntable", 0.9, size=(240, 360))
    wanted = OutputSpec(background=Background.parse("white"), style=RenderStyle(placing=placing))
    paths = sorted(tmp_path.glob("a_*.png"))
    jobs = with_series([Job(path, path.stem, (tmp_path / "out" / f"{path.stem}.png",)) for path in paths])
    cutter = PhotoCutter(dark, wanted, LocalStorage())
    assert all(cutter(job).status == "done" for job in jobs)
    boxes = []
    for path in paths:
        rows, columns = np.nonzero(np.asarray(Image.open(tmp_path / "out" / path.name)).max(axis=2) < 128)
        boxes.append((rows.min(), columns.min(), np.ptp(rows), np.ptp(columns)))
    first, second = boxes
    scale = first[2] / 39
    assert first[2:] == pytest.approx(second[2:], abs=2)
    assert (second[0] - first[0], second[1] - first[1]) == pytest.approx((4 * scale, 12 * scale), abs=3)
