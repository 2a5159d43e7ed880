"""Render a car in the studio with Mitsuba: photo (denoised) and labels by rays through pixel centres.

Mitsuba 3: W. Jakob et al., 2022, https://mitsuba-renderer.org. Open Image Denoise: https://www.openimagedenoise.org.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carmask.errors import StudioError
from carmask.geometry import Size
from carmask.studio.mesh import Mesh
from carmask.studio.scene import Camera, Surface

#: Where Debian and Ubuntu put LLVM, newest that works first. LLVM 15 and 16 abort the process.
_LLVM_PLACES = ("/usr/lib/x86_64-linux-gnu/libLLVM.so.19.1", "/usr/lib/x86_64-linux-gnu/libLLVM-19.so")
_PROBE = "import mitsuba as mi; mi.set_variant('llvm_ad_rgb'); mi.render(mi.load_dict(mi.cornell_box()), spp=1).numpy()"


def check_installed() -> None:
    """Check that the renderer is there.

    Raises:
        StudioError: if Mitsuba or the denoiser is not installed.
    """
    lacking = [name for name in ("mitsuba", "oidn") if find_spec(name) is None]
    if lacking:
        raise StudioError(f"rendering needs {' and '.join(lacking)}: pip install 'carmask[studio]'")


@cache
def choose_variant() -> str:
    """Find the fastest variant of Mitsuba that works here: ``llvm_ad_rgb``, else ``scalar_rgb``.

    A wrong version of LLVM aborts the whole process, which Python cannot catch: each candidate is tried in a child.

    Returns:
        The variant's name; for ``llvm_ad_rgb``, ``DRJIT_LIBLLVM_PATH`` is set to the LLVM that worked.

    Raises:
        StudioError: if Mitsuba is not installed.
    """
    check_installed()
    named = os.environ.get("DRJIT_LIBLLVM_PATH")
    for place in [named] if named else [*(place for place in _LLVM_PLACES if Path(place).exists()), ""]:
        environment = {**os.environ, "DRJIT_LIBLLVM_PATH": place}
        if not place:
            del environment["DRJIT_LIBLLVM_PATH"]
        try:
            done = subprocess.run(  # noqa: S603  # our own interpreter and a constant program
                [sys.executable, "-c", _PROBE], env=environment, capture_output=True, timeout=120, check=False
            )
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            if place:
                os.environ["DRJIT_LIBLLVM_PATH"] = place
            return "llvm_ad_rgb"
    return "scalar_rgb"


@cache
def _mitsuba() -> Any:
    variant = choose_variant()
    import mitsuba

    mitsuba.set_variant(variant)
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    return mitsuba


class Renderer:
    """Renders one car in one session from all sides."""

    def __init__(
        self,
        pieces: Sequence[tuple[str, Mesh]],
        bsdfs: Mapping[str, Mapping[str, Any]],
        surroundings: Sequence[Surface],
    ) -> None:
        """Take over the scene.

        Args:
            pieces: material and mesh of each; those of one material may be merged beforehand.
            bsdfs: a Mitsuba BSDF for each material.
            surroundings: the room.

        Raises:
            StudioError: if Mitsuba is not installed.
        """
        self._mi = mi = _mitsuba()
        materials = {name: self._load(bsdfs[name]) for name in sorted({name for name, _ in pieces})}
        car: dict[str, Any] = {"type": "shapegroup"}
        for i, (name, mesh) in enumerate(pieces):
            car[f"piece{i}"] = self._shape(f"piece{i}", mesh, materials[name])
        scene: dict[str, Any] = {"type": "scene", "car": car, "turned": {"type": "instance"}}
        scene["turned"]["group"] = {"type": "ref", "id": "car"}
        scene |= {f"room{i}": self._room_part(i, part) for i, part in enumerate(surroundings)}
        # An instance of the car can be turned without building its search tree anew.
        self._scene = mi.load_dict(scene, optimize=False)
        # Roulette from the third bounce would save 30 % of the time, but the denoiser makes brightness of its noise.
        self._light = mi.load_dict({"type": "path", "max_depth": 10, "rr_depth": 6})
        self._guide = mi.load_dict({"type": "aov", "aovs": "albedo:albedo,normal:sh_normal"})

    def photo(self, camera: Camera, degrees: float, size: Size, *, samples: int, seed: int) -> NDArray[np.float32]:
        """Render with the car turned by ``degrees``.

        Args:
            camera: where it is seen from.
            degrees: counter-clockwise seen from above; 0 looks into the camera.
            size: (height, width).
            samples: rays for each pixel.
            seed: of the rays.

        Returns:
            float32 (height, width, 3), linear light in [0, 1], denoised; 1 is white.
        """
        mi = self._mi
        parameters = mi.traverse(self._scene)
        parameters["turned.to_world"] = mi.Transform4f().rotate([0, 0, 1], degrees)
        parameters.update()
        sensor = mi.load_dict(self._sensor(camera, size, samples))
        # One after the other takes half the time of both at once. The same seed: through the same points of each pixel.
        light, guide = (
            np.nan_to_num(np.array(mi.render(self._scene, sensor=sensor, integrator=work, spp=samples, seed=seed)))
            for work in (self._light, self._guide)
        )
        albedo, normal = (np.ascontiguousarray(guide[..., i : i + 3], np.float32) for i in (0, 3))
        return denoise(np.ascontiguousarray(light, np.float32), albedo.clip(0, 1), normal)

    def _load(self, value: Mapping[str, Any]) -> Any:
        return self._mi.load_dict(self._with_bitmaps(value))

    def _with_bitmaps(self, value: Mapping[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, item in value.items():
            if isinstance(item, Mapping):
                result[key] = self._with_bitmaps(item)
            elif isinstance(item, np.ndarray):
                result["bitmap"] = self._mi.Bitmap(item)
            else:
                result[key] = item
        return result

    def _room_part(self, index: int, part: Surface) -> Any:
        return self._shape(f"room{index}", part.mesh, self._load(part.material), part.uv, part.light)

    def _shape(self, name: str, mesh: Mesh, bsdf: Any, uv: NDArray[np.float64] | None = None, light: Any = None) -> Any:
        mi = self._mi
        properties = mi.Properties()
        properties["bsdf"] = bsdf
        if light is not None:
            properties["emitter"] = mi.load_dict({"type": "area", "radiance": {"type": "rgb", "value": list(light)}})
        shape = mi.Mesh(
            name,
            len(mesh.vertices),
            len(mesh.faces),
            properties,
            has_vertex_normals=True,
            has_vertex_texcoords=uv is not None,
        )
        parameters = mi.traverse(shape)
        parameters["vertex_positions"] = mesh.vertices.astype(np.float32).ravel()
        parameters["vertex_normals"] = mesh.normals.astype(np.float32).ravel()
        parameters["faces"] = mesh.faces.astype(np.uint32).ravel()
        if uv is not None:
            parameters["vertex_texcoords"] = uv.astype(np.float32).ravel()
        parameters.update()
        return shape

    def _sensor(self, camera: Camera, size: Size, samples: int) -> dict[str, Any]:
        mi = self._mi
        look = mi.ScalarTransform4f().look_at(
            origin=[camera.distance, 0, camera.height], target=[0, camera.aside, camera.aim], up=[0, 0, 1]
        )
        film = {
            "type": "hdrfilm",
            "width": size[1],
            "height": size[0],
            "pixel_format": "rgb",
            "rfilter": {"type": "box"},  # the denoiser expects pixels that share no samples
        }
        return {
            "type": "perspective",
            "fov": camera.angle,
            "fov_axis": "x",
            "to_world": look,
            "film": film,
            "sampler": {"type": "independent", "sample_count": samples},
        }


def rays(camera: Camera, size: Size) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The camera's rays through the pixels' centres.

    Args:
        camera: as for ``Renderer.photo``.
        size: (height, width).

    Returns:
        Origin float64 (3,) and directions float64 (height * width, 3) of length 1, row by row.
    """
    height, width = size
    origin = np.array([camera.distance, 0.0, camera.height])
    forward = np.array([0.0, camera.aside, camera.aim]) - origin
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    reach = np.tan(np.deg2rad(camera.angle) / 2)
    across = (2 * (np.arange(width) + 0.5) / width - 1) * reach
    down = (2 * (np.arange(height) + 0.5) / height - 1) * reach * height / width
    directions = (forward + across[None, :, None] * right - down[:, None, None] * up).reshape(-1, 3)
    return origin, directions / np.linalg.norm(directions, axis=1, keepdims=True)


class Labeller:
    """Finds what the rays through the pixels' centres meet first: exact at any size, and nothing is rendered for it."""

    def __init__(self, mesh: Mesh, labels: NDArray[np.uint8]) -> None:
        """Take over the car.

        Args:
            mesh: the car, above the floor at height 0.
            labels: uint8 (faces,), from 1.

        Raises:
            StudioError: if Mitsuba is not installed.
        """
        self._mi = _mitsuba()
        self._labels = labels
        shape = self._mi.Mesh("car", len(mesh.vertices), len(mesh.faces))
        parameters = self._mi.traverse(shape)
        parameters["vertex_positions"] = mesh.vertices.astype(np.float32).ravel()
        parameters["faces"] = mesh.faces.astype(np.uint32).ravel()
        parameters.update()
        self._scene = self._mi.load_dict({"type": "scene", "car": shape}, optimize=False)

    def label(self, camera: Camera, degrees: float, size: Size) -> NDArray[np.uint8]:
        """Label a picture of the car turned by ``degrees``.

        Args:
            camera: where it is seen from.
            degrees: counter-clockwise seen from above.
            size: (height, width).

        Returns:
            uint8 (height, width): the label of the first face that the ray meets; 0 where it meets none, or the floor
            before it.
        """
        origin, directions = rays(camera, size)
        # The car stays where it is and the camera goes round it: the search tree is built once.
        angle = np.deg2rad(degrees)
        turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        hit, face, distance = self._meet(turn @ origin, directions @ turn.T)
        hit &= origin[2] + distance * directions[:, 2] > 0
        result = np.zeros(len(directions), np.uint8)
        result[hit] = self._labels[face[hit]]
        return result.reshape(size)

    def _meet(
        self, origin: NDArray[np.float64], directions: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
        """Whether each ray hits the car, which face, and how far away (0 where it does not)."""
        mi = self._mi
        if mi.variant().startswith("scalar"):
            hit, face = np.zeros(len(directions), np.bool_), np.zeros(len(directions), np.int64)
            distance = np.zeros(len(directions))
            for i, direction in enumerate(directions.tolist()):
                met = self._scene.ray_intersect_preliminary(mi.Ray3f(origin.tolist(), direction))
                if met.is_valid():
                    hit[i], face[i], distance[i] = True, met.prim_index, met.t
            return hit, face, distance
        columns = [mi.Float(np.ascontiguousarray(directions[:, i], np.float32)) for i in range(3)]
        met = self._scene.ray_intersect_preliminary(mi.Ray3f(mi.Point3f(*origin.tolist()), mi.Vector3f(*columns)))
        hit = np.array(met.is_valid()).astype(np.bool_)
        distance = np.where(hit, np.array(met.t).astype(np.float64), 0.0)
        return hit, np.array(met.prim_index).astype(np.int64), distance


@cache
def _denoiser() -> Any:
    package = find_spec("oidn")
    assert package is not None
    assert package.origin is not None
    # The package brings its own TBB, but under a name that its library does not look for.
    for library in sorted((Path(package.origin).parent / "lib.linux.x64").glob("libtbb.so*")):
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    try:
        import oidn
    except OSError as error:
        raise StudioError(f"the denoiser does not start: {error}; reinstall oidn") from error
    device = oidn.NewDevice()
    oidn.CommitDevice(device)
    return oidn, device


def denoise(
    colour: NDArray[np.float32], albedo: NDArray[np.float32], normal: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Take the noise out of a rendering.

    Args:
        colour: float32 (height, width, 3), linear light, at least 0.
        albedo: the same shape, in [0, 1].
        normal: the same shape, in [-1, 1].

    Returns:
        The denoised colour, in [0, 1].

    Raises:
        StudioError: if the denoiser does not start.
    """
    oidn, device = _denoiser()
    result = np.zeros_like(colour)
    work = oidn.NewFilter(device, "RT")
    for name, layer in (("color", colour), ("albedo", albedo), ("normal", normal), ("output", result)):
        oidn.SetSharedFilterImage(work, name, layer, oidn.FORMAT_FLOAT3, layer.shape[1], layer.shape[0])
    oidn.CommitFilter(work)
    oidn.ExecuteFilter(work)
    oidn.ReleaseFilter(work)
    return result
