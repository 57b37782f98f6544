"""An index from many machines, by Ray: a pool of encoders that build shards, then a tree of merges as tasks.

    pip install -r requirements-ray.txt
    python3 build_ray.py SOURCE.. --bundle BUNDLE --out INDEX --work DIR [--shards 8] [--encoders 2] [--address ADDRESS] [-- FLAGS]

An encoder is an actor that runs one `build` at a time, on the cores and graphics cards that it is given; Ray puts them on the machines that have
these, and starts one anew where its machine is gone. Without --address it starts Ray on this machine. Machines elsewhere need the program (--binary), and the paths of SOURCE,
BUNDLE and --work; code is sent to them.
"""

import argparse
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
        self.retries, self.merging = args.retries, args.merge_cpus
        actor = ray.remote(Encoder).options(num_cpus=args.cpus, num_gpus=args.gpus, max_restarts=-1)
        self.encoders = [actor.remote() for _ in range(args.encoders)]

    def each(self, work: Callable[..., Made], tasks: dict[str, tuple]) -> Iterator[tuple[str, Made | Failure]]:
        # Merges need no encoder; the actors go, so that their cores are free.
        if work in (shards.join, shards.finish):
            for encoder in self.encoders:
                ray.kill(encoder)
            self.encoders = []
