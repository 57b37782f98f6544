"""An index from many machines, by Dask: shards as tasks, checked, then merged as a tree of tasks.

    pip install -r requirements-dask.txt
    python3 build_dask.py SOURCE.. --bundle BUNDLE --out INDEX --work DIR [--shards 8] [--workers 2 | --scheduler ADDRESS] [-- FLAGS]

Without --scheduler it starts a cluster of processes on this machine. Workers elsewhere need the program (--binary), and the
paths of SOURCE, BUNDLE and --work; code is sent to them. One worker thread runs one task at a time, whose process has
threads of its own: give `dask worker --nthreads 1`, and `-- --threads N` here.
"""

import argparse
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
from distributed import Client, KilledWorker, LocalCluster, as_completed

import asked
import flow
import shards
from artefact import Made
from program import Failure

HERE = Path(__file__).resolve().parent
GONE = "the scheduler is gone; start it again, and run the same command: it goes on with what is there"


class Dask:
    def __init__(self, client: Client, retries: int):
        self.client, self.retries = client, retries

    def each(self, work: Callable[..., Made], tasks: dict[str, tuple]) -> Iterator[tuple[str, Made | Failure]]:
        # Names are seen in Dask's dashboard; a run must not get the futures of the run before.
        turn = uuid.uuid4().hex[:8]
        names = {}
        try:
            for name, args in tasks.items():
                future = self.client.submit(shards.attempt, work, *args, key=f"{name}-{turn}", retries=self.retries, pure=False)
                names[future] = name
            for future in as_completed(list(names)):
                name, got = names.pop(future), self.result(future)
                # Else Dask runs it again where the worker that has the result is lost.
                future.release()
                yield name, got
        except OSError as error:
            raise Failure(f"{GONE} ({error})") from None

    def result(self, future) -> Made | Failure:
        try:
            if future.status == "finished":
                return future.result()
            error = future.exception() if future.status == "error" else None
        except OSError as lost:
            error = lost
        if error is None or isinstance(error, OSError):
            raise Failure(f"{GONE} (a task is {future.status})")
        if isinstance(error, KilledWorker):
            return Failure(f"its worker ended in each of {error.allowed_failures + 1} tries, by a signal or for want of memory")
        return error if isinstance(error, Failure) else Failure(f"{type(error).__name__}: {error}")


@contextmanager
def connect(args: argparse.Namespace) -> Iterator[Dask]:
    """A pool on the cluster that was asked for, or on one of this machine, which nobody else reaches."""
    # A worker that is gone counts as a try of its task; no task waits at a worker that has one.
    dask.config.set({"distributed.scheduler.allowed-failures": args.retries, "distributed.scheduler.worker-saturation": 1.0})
    if args.scheduler:
        try:
            client = Client(args.scheduler, timeout=args.timeout)
        except OSError as error:
            raise Failure(f"no Dask scheduler answers at {args.scheduler}: {error}") from None
        with client:
            for module in ("program.py", "artefact.py", "shards.py"):
                # Sent to workers that come later, too.
                client.upload_file(str(HERE / module))
            yield Dask(client, args.retries)
        return
    ours = {"n_workers": args.workers, "threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(**ours) as cluster, Client(cluster) as client:
        # These processes find the modules where this one does. Sent, they would be loaded a second time into this one.
        yield Dask(client, args.retries)


def main() -> int:
    parser = asked.arguments(__doc__)
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a running scheduler, such as tcp://host:8786")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes, without --scheduler (default: one per core)"
    )
    parser.add_argument("--timeout", type=float, default=30.0, metavar="S", help="seconds to wait for the scheduler (default 30)")
    return flow.main(parser, connect)


if __name__ == "__main__":
    sys.exit(main())
