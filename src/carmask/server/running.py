"""Run the server: what the commands ``review`` and ``serve`` call."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from carmask.batch.names import STATE
from carmask.batch.runfile import read_run
from carmask.errors import UsageError
from carmask.machine import available_cores
from carmask.model.file import find_model, fixed_name, read_info
from carmask.model.runtime import DEFAULT_MODEL, Device
from carmask.server.app import review_app, review_threshold, serve_app
from carmask.server.folder import Folder
from carmask.server.jobs import Jobs
from carmask.server.limits import Limits
from carmask.server.listening import listen
from carmask.server.profiles import Profiles
from carmask.server.security import LOOPBACK
from carmask.server.work import WorkTask
from carmask.server.worker_pool import WorkerPool

#: Where ``serve`` keeps jobs by default.
STATE_HOME = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state") / "carmask" / "serve"


class Address(NamedTuple):
    """Where a server listens, and who may use it.

    Attributes:
        host: address or name of this machine; only the loopback address needs no token.
        port: 0 takes a free one.
        token: what clients must show; None makes one if the host is not the loopback address.
        names: further names under which clients reach the server, such as that of a proxy.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    names: tuple[str, ...] = ()

    def secured(self) -> Address:
        """The same with a token where one is needed.

        Raises:
            UsageError: if the token is too short to be a secret.
        """
        if self.token is not None and len(self.token) < 16:
            raise UsageError("the token is too short to be a secret: 16 characters at least")
        if self.token is None and not is_loopback(self.host):
            return self._replace(token=secrets.token_urlsafe(24))
        return self

    def hosts(self) -> list[str]:
        """Names that the server answers to."""
        found = {*LOOPBACK, *(name.lower() for name in self.names)}
        if self.host in {"0.0.0.0", "::", ""}:  # noqa: S104  # compared, not listened on
            found.add(socket.gethostname().lower())
        elif self.host:
            found.add(f"[{self.host.lower()}]" if ":" in self.host else self.host.lower())
        return sorted(found)

    def url(self, port: int, path: str = "/") -> str:
        """What to open in a browser."""
        host = self.host
        if host in {"0.0.0.0", "::", ""}:  # noqa: S104  # compared, not listened on
            host = socket.gethostname()
        place = f"[{host}]" if ":" in host else host
        return f"http://{place}:{port}{path}" + (f"?token={quote(self.token)}" if self.token else "")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host.lower() == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def run_review(out: Path, address: Address, *, ready: Callable[[str], None], limits: Limits | None = None) -> None:
    """Serve the editor for one output folder, until the process is asked to stop.

    Args:
        out: an output folder of ``cut``.
        address: where to listen.
        ready: called with the page's address once it can be opened.
        limits: what clients may ask.

    Raises:
        UsageError: if ``cut`` has not written there, or the address is taken.
        ModelError: if the run's model is missing.
    """
    limits, address = limits or Limits(), address.secured()
    run = read_run(out / STATE)
    # Two, each on all cores: one may render while the other opens the next photo.
    task = WorkTask(run.task.model, run.task.device, streams=None)
    with WorkerPool(task, workers=2, timeout=limits.seconds, waiting=limits.waiting) as pool:
        folder = Folder(out, pool, run=run)
        app = review_app(folder, pool, hosts=address.hosts(), token=address.token, limits=limits)
        listen(app, (address.host, address.port), limits, ready=lambda port: ready(address.url(port)))


def run_serve(
    address: Address,
    *,
    ready: Callable[[str], None],
    model: str = DEFAULT_MODEL,
    device: Device = "cpu",
    workers: int | None = None,
    state: Path = STATE_HOME,
    label_studio: Path | None = None,
    profiles: Profiles | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve pages and API, until the process is asked to stop.

    Args:
        address: where to listen.
        ready: called with the start page's address once it can be opened.
        model: a model file or name.
        device: where the network runs.
        workers: processes; one for each core by default.
        state: a folder for jobs, for this server alone.
        label_studio: Label Studio's folder of files: pictures that its tasks name are taken from there.
        profiles: that clients may name; by default the shipped ones.
        limits: what clients may ask.

    Raises:
        UsageError: if the address is taken, or another server uses the folder.
        ModelError: if there is no such model, or its file is damaged.
        OutputError: if the folder cannot be written to.
    """
    limits, address, state = limits or Limits(), address.secured(), state.expanduser()
    if label_studio is not None and not label_studio.is_dir():
        raise UsageError(f"{label_studio}: there is no such folder")
    model = fixed_name(model)  # a worker that is started again, and jobs, have the same one
    info = read_info(find_model(model))
    count = workers or available_cores()
    with (
        WorkerPool(WorkTask(model, device), workers=count, timeout=limits.seconds, waiting=limits.waiting) as pool,
        _jobs(state, pool, limits, model, review_threshold(info)) as jobs,
    ):
        app = serve_app(
            pool,
            jobs,
            model=info,
            hosts=address.hosts(),
            token=address.token,
            limits=limits,
            label_studio=label_studio,
            profiles=profiles,
        )
        listen(app, (address.host, address.port), limits, ready=lambda port: ready(address.url(port)))


@contextlib.contextmanager
def _jobs(state: Path, pool: WorkerPool, limits: Limits, model: str, below: float) -> Iterator[Jobs]:
    jobs = Jobs(state, pool, limits, model=model, review_below=below)
    try:
        yield jobs
    finally:
        jobs.close()
