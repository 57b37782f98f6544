"""An index from many machines, by Ray: a pool of encoders that build shards, then a tree of merges as tasks.

    pip install -r requirements-ray.txt
    python3 build_ray.py SOURCE.. --bundle BUNDLE --out INDEX --work DIR [--shards 8] [--encoders 2 | --address ADDRESS] [-- FLAGS]

An encoder is an actor that runs one `build` at a time, on the cores (and graphics cards) that it is given. Ray puts
encoders where these are; one that is gone is replaced. Without --address Ray starts on this machine. Machines elsewhere
need the program (--binary), and the paths of SOURCE, BUNDLE and --work; code is sent to them.
"""

import argparse
import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Ray reports to its makers unless it is told not to.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray.exceptions import RayError, RayTaskError

import asked
import flow
import shards
from artefact import Made
from program import Failure

HERE = Path(__file__).resolve().parent


class Encoder:
    """An actor of the pool."""

    def attempt(self, work: Callable[..., Made], *args: object) -> Made | Failure:
        return shards.attempt(work, *args)


class Ray:
    def __init__(self, args: argparse.Namespace):
        self.retries, self.count = args.retries, args.encoders
        self.encoder = ray.remote(Encoder).options(num_cpus=args.cpus, num_gpus=args.gpus)
        self.task = ray.remote(shards.attempt).options(num_cpus=args.merge_cpus, max_retries=0)

    def each(self, work: Callable[..., Made], tasks: dict[str, tuple]) -> Iterator[tuple[str, Made | Failure]]:
        # Merges need no encoder: Ray runs as many side by side as there are cores for.
        pooled = work in (shards.build, shards.encode)
        idle = deque(self.encoder.remote() for _ in range(min(self.count, len(tasks)))) if pooled else deque()
        waiting = deque((name, self.retries) for name in tasks)
        running = {}
        while waiting or running:
            while waiting and (idle or not pooled):
                name, tries = waiting.popleft()
                encoder = idle.popleft() if pooled else None
                run = encoder.attempt if encoder else self.task
                running[run.remote(work, *tasks[name])] = (name, tries, encoder)
            for ended in ray.wait(list(running))[0]:
                name, tries, encoder = running.pop(ended)
                try:
                    got = ray.get(ended)
                except RayError as error:
                    got = None if tries else reason(error, self.retries)
                    if pooled and not isinstance(error, RayTaskError):
                        # The actor is gone, or its machine.
                        encoder = self.encoder.remote()
                if pooled:
                    idle.append(encoder)
                if got is None:
                    waiting.append((name, tries - 1))
                else:
                    yield name, got


def reason(error: RayError, retries: int) -> Failure:
    """The failure behind an error of Ray."""
    if isinstance(error, RayTaskError):
        cause = error.cause
        return cause if isinstance(cause, Failure) else Failure(f"{type(cause).__name__}: {cause}")
    first = str(error).strip().splitlines()
    return Failure(
        f"its worker ended in each of {retries + 1} tries, by a signal or for want of memory: {first[0] if first else error}"
    )


@contextmanager
def connect(args: argparse.Namespace) -> Iterator[Ray]:
    common: dict[str, Any] = {"runtime_env": {"working_dir": str(HERE)}, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        if args.address:
            ray.init(address=args.address, **common)
        else:
            cores = max(os.cpu_count() or 1, math.ceil(args.encoders * args.cpus), math.ceil(args.merge_cpus))
            ray.init(address="local", num_cpus=cores, include_dashboard=False, **common)
    except (ConnectionError, OSError, RuntimeError) as error:
        raise Failure(f"Ray does not start, or does not answer at {args.address}: {error}") from None
    try:
        yield Ray(args)
    finally:
        ray.shutdown()


def main() -> int:
    parser = asked.arguments(__doc__)
    add = parser.add_argument
    add("--address", help="of a running cluster: HOST:PORT, or auto")
    add("--encoders", type=int, default=2, metavar="N", help="builds side by side (default 2)")
    add(
        "--cpus",
        type=float,
        default=1,
        metavar="N",
        help="cores of an encoder; give the program as many by `-- --threads` (default 1)",
    )
    add("--gpus", type=float, default=0, metavar="N", help="graphics cards of an encoder (default 0)")
    add("--merge-cpus", type=float, default=1, metavar="N", help="cores of a merge (default 1)")
    return flow.main(parser, connect)


if __name__ == "__main__":
    sys.exit(main())
