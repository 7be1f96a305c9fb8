"""Servers that work side by side: each in a thread of this process, or in a Ray actor, here or on a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

from ..comfy_client import ServerDied
from ..errors import one_line
from ..ray_start import start_ray
from .server import FilmServer, Made, Order, ServerPlan

STOP = 15.0  # seconds that an actor has to end its server


class Pool(Protocol):
    """Servers by number, each of which does one thing at a time; what it was told to do ends by `next`."""

    def start(self, server: int) -> None:
        """Begin to start it, anew where it has died; ends with its address."""

    def make(self, server: int, order: Order) -> None:
        """Begin to make a film; ends with what came of it."""

    def next(self) -> tuple[int, str | Made | ServerDied]:
        """Wait for whichever ends first."""

    def close(self) -> None:
        """End all servers, whatever they do."""


class ThreadPool:
    """In this process. A server waits for its ComfyUI, which is a process of its own, so that threads are enough."""

    def __init__(self, plans: Sequence[ServerPlan]) -> None:
        self._servers = [FilmServer(plan) for plan in plans]
        self._threads = ThreadPoolExecutor(len(plans), "film_server")
        self._busy: dict[Future[Any], int] = {}

    def start(self, server: int) -> None:
        self._busy[self._threads.submit(self._servers[server].start)] = server

    def make(self, server: int, order: Order) -> None:
        self._busy[self._threads.submit(self._servers[server].make, order)] = server

    def next(self) -> tuple[int, str | Made | ServerDied]:
        done, _ = wait(self._busy, return_when=FIRST_COMPLETED)
        future = done.pop()
        server = self._busy.pop(future)
        try:
            return server, future.result()
        except ServerDied as death:
            return server, death

    def close(self) -> None:
        for server in self._servers:
            server.stop()  # the film that it makes ends by it
        self._threads.shutdown(wait=True, cancel_futures=True)


class RayPool:
    """An actor for each server. address: of a cluster, None for this machine alone; gpus: of each actor, or a part.

    waits_for_gpu: the cluster has too few for a single server; one that grows by itself may get them later.
    """

    def __init__(self, plans: Sequence[ServerPlan], address: str | None, gpus: float) -> None:
        self._ray = ray = start_ray(address, num_cpus=len(plans))  # one worker process for each actor
        # Two threads: `stop` has to come through while a film is made.
        self._kind = ray.remote(FilmServer).options(num_cpus=1, num_gpus=gpus, max_concurrency=2)
        self.waits_for_gpu = gpus > ray.cluster_resources().get("GPU", 0.0)
        self._plans = list(plans)
        self._actors = [self._kind.remote(plan) for plan in plans]
        self._busy: dict[Any, int] = {}

    def start(self, server: int) -> None:
        try:
            self._ray.get(self._actors[server].stop.remote())
        except self._ray.exceptions.RayActorError:
            self._actors[server] = self._kind.remote(self._plans[server])
        self._busy[self._actors[server].start.remote()] = server

    def make(self, server: int, order: Order) -> None:
        self._busy[self._actors[server].make.remote(order)] = server

    def next(self) -> tuple[int, str | Made | ServerDied]:
        (done,), _ = self._ray.wait(list(self._busy), num_returns=1)
        server = self._busy.pop(done)
        try:
            return server, self._ray.get(done)
        except ServerDied as death:  # Ray raises it as an error of both kinds
            return server, ServerDied(str(death.__cause__ or death))
        except self._ray.exceptions.RayActorError as error:
            return server, ServerDied(f"The process of server {server + 1} ended: {one_line(error)}")

    def close(self) -> None:
        gone = (self._ray.exceptions.RayActorError, self._ray.exceptions.GetTimeoutError)
        with contextlib.suppress(*gone):  # its process ends below, and its server with it
            self._ray.get([actor.stop.remote() for actor in self._actors], timeout=STOP)
        self._ray.shutdown()
