"""On a real Ray cluster of three nodes, each with its own processes, all on this machine."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
from pathlib import Path

import pytest

from carmask.batch.engines.local import LocalEngine
from carmask.batch.outputs import OutputSpec
from carmask.batch.plan import plan_run
from carmask.batch.process import PhotoTask
from carmask.batch.run import open_run, run_jobs
from carmask.errors import UsageError

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray comes with [cluster]")
WANTED = OutputSpec(mask=True)


@pytest.fixture(scope="module")
def cluster():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 80_000_000})
    for _ in range(2):
        nodes.add_node(num_cpus=1, object_store_memory=80_000_000)
    yield nodes
    nodes.shutdown()


def many(photos: Path) -> list[Path]:
    """Links, so that there are some portions of photos."""
    originals = sorted(photos.rglob("*.jpg"))
    for number in range(160):
        (photos / f"link {number:03d}.jpg").symlink_to(originals[number % len(originals)])
    return [photos]


def workers() -> list[int]:
    """The processes that hold a worker, whatever node they belong to."""
    listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "MapWorker" in line and "RayWorker" in line]


def test_a_cluster_gives_what_this_machine_gives_with_a_worker_killed(cluster, tiny_model, photos, tmp_path):
    from carmask.batch.engines.ray import RayEngine

    paths, task = many(photos), PhotoTask(str(tiny_model), WANTED)
    made = {}
    for name, start in (
        ("local", lambda: LocalEngine(task)),
        ("ray", lambda: RayEngine(task, address=cluster.address)),
    ):
        out = tmp_path / name
        jobs = plan_run(paths, out, WANTED, recursive=True).jobs
        killed = 0
        with start() as engine, open_run(out, jobs, task) as manifest:
            results = []
            for result in run_jobs(jobs, manifest, engine):
                results.append(result)
                if name == "ray" and not killed and len(results) >= 20 and (found := workers()):
                    os.kill(found[0], signal.SIGKILL)
                    killed = found[0]
        assert bool(killed) == (name == "ray")
        assert sorted(result.photo for result in results) == sorted(str(job.photo) for job in jobs)
        assert {result.status for result in results} == {"done"}
        made[name] = {path.name: path.read_bytes() for path in out.rglob("*.png")}
        assert not list(out.rglob("*.tmp"))
    assert len(made["ray"]) == 172
    assert made["ray"] == made["local"]


def test_a_cluster_that_is_not_there():
    import ray

    from carmask.batch.engines.ray import RayEngine

    ray.shutdown()
    with pytest.raises(UsageError, match=r"address: 127\.0\.0\.1:1: Ray cannot be reached"):
        RayEngine(PhotoTask("default", WANTED), address="127.0.0.1:1")
