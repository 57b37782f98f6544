"""A slow check: a job of 8 shards on 2 workers, of which some are killed on the way, gives the index that one build gives.

    pip install -r requirements-dask.txt -r requirements-ray.txt
    python3 check.py dask --work DIR [--binary PROGRAM] [--documents N]
    python3 check.py ray  --work DIR ..

Makes a corpus of texts and rows of numbers, trains a bundle, and builds the index in one go. Then the job: one worker is
killed with the build that it runs, as a lost machine would be, and later another one alone, whose build goes on without it.
With Dask a second job, on workers of its own, loses its scheduler on the way: the driver says so, and the same command with
a new scheduler ends it.

The indexes must be equal in ids, stored fields, and answers of `query --exact`: ranks, scores and probabilities, to the
last bit. The shards, searched side by side, must give these answers too. Exit codes: 0 equal, 1 not. Needs Linux.
"""

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOPICS = ("bird", "river", "engine", "bread", "star", "garden", "letter", "violin")
SHARDS, WORKERS, TRAIN = 8, 2, 400
KEYS = ["--map", "image:features=look"]
SHORT = "dim = 16\nhidden = 8\nhalf = 8\nleast_steps = 0\nepochs_contrastive = 1\nepochs_double_triplet = 1\nepochs_metric = 1\n"


class Wrong(Exception):
    """What the check found."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def corpus(file: Path, documents: int) -> None:
    """Documents of a topic each: its words among others, and a noisy row of numbers. The same bytes each time."""
    draw = random.Random(7)
    with open(file, "w", encoding="utf-8") as lines:
        for number in range(documents):
            topic = draw.randrange(len(TOPICS))
            words = [
                TOPICS[topic],
                *(f"{TOPICS[topic]}{draw.randrange(20)}" for _ in range(4)),
                *(f"w{draw.randrange(500)}" for _ in range(4)),
            ]
            draw.shuffle(words)
            look = [round((at == topic) + draw.gauss(0, 0.3), 3) for at in range(16)]
            document = {
                "id": f"d{number:07}",
                "text": " ".join(words),
                "look": look,
                "topic": TOPICS[topic],
                "size": draw.randrange(1000),
            }
            lines.write(json.dumps(document) + "\n")


class Program:
    def __init__(self, binary: str):
        self.binary = binary

    def json(self, *words: object) -> list[dict]:
        """The objects that it prints."""
        line = [self.binary, *map(str, words), "--json", "--quiet"]
        done = subprocess.run(line, capture_output=True, text=True)
        if done.returncode != 0:
            raise Wrong(f"{' '.join(line)}: exit {done.returncode}: {done.stderr.strip()}")
        return [json.loads(text) for text in done.stdout.splitlines()]


def parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    return found


def builds(driver: int, binary: str) -> Iterator[tuple[int, int]]:
    """Builds of shards that run below `driver`, each with the worker that started it."""
    up = parents()
    for pid in up:
        above, at = [], pid
        while at in up and at != driver:
            above, at = [*above, at], up[at]
        if at != driver:
            continue
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if binary.encode() in words[:2] and b"build" in words[:3]:
            yield pid, up[pid]


def kill(*pids: int) -> None:
    """Ends processes below a driver that this check started."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            say(f"process {pid} had ended")


def whole(work: Path) -> int:
    return sum(1 for _ in work.glob(f"shard-*-of-{SHARDS:05}/uncsm-shard.json"))


def killing(driver: subprocess.Popen, binary: str, work: Path) -> list[str]:
    """Kills a worker and its build after the first shard, and a worker alone after the third. Gives what it killed."""
    told: list[str] = []
    while driver.poll() is None and len(told) < 2:
        time.sleep(0.02)
        if whole(work) >= (1, 3)[len(told)] and (found := next(builds(driver.pid, binary), None)):
            build, worker = found
            alone = len(told) == 1
            kill(*([worker] if alone else [worker, build]))
            told.append(f"worker {worker} " + (f"(its build {build} goes on)" if alone else f"and its build {build}"))
            say(f"killed {told[-1]} at {whole(work)} whole shards")
    return told


def run(line: list[str], meanwhile: Callable[[subprocess.Popen], None]) -> tuple[int, dict | None, str]:
    """Runs a driver. Gives its exit code, its report, and what it said."""
    say(" ".join(line))
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as driver:
        meanwhile(driver)
        out, _ = driver.communicate()
    at = out.find("\n{\n")
    say(out[:at].rstrip() if at >= 0 else out.rstrip())
    return driver.returncode, json.JSONDecoder().raw_decode(out[at + 1 :])[0] if at >= 0 else None, out


def documents(program: Program, places: list[Path], count: int) -> dict[str, dict]:
    (answer,) = program.json("query", *places, "--filter", "*", "-k", count + 1)
    return {hit["id"]: hit["fields"] for hit in answer["hits"]}


def answers(program: Program, places: list[Path], batch: Path) -> list[list]:
    found = program.json("query", *places, "--batch", batch, "--exact")
    return [
        [(hit["rank"], hit["id"], hit["score"], hit["probability"], hit["fields"]) for hit in answer["hits"]] for answer in found
    ]


def questions(file: Path) -> None:
    """Sentences, rows of numbers, keywords, both, filters, a document's likeness."""
    draw = random.Random(11)
    with open(file, "w", encoding="utf-8") as lines:
        for number in range(48):
            topic = number % len(TOPICS)
            text = f"{TOPICS[topic]} {TOPICS[topic]}{draw.randrange(20)}"
            row = [round((at == topic) + draw.gauss(0, 0.3), 3) for at in range(16)]
            words = f"{TOPICS[topic]}{draw.randrange(20)} w{draw.randrange(500)}"
            kinds = [
                {"text": text}, {"features": {"image": row}}, {"keywords": words}, {"text": text, "keywords": words},
                {"text": text, "filter": f"size:[{draw.randrange(500)} TO 900]"}, {"like": f"d{draw.randrange(TRAIN):07}", "media": "any"},
            ]  # fmt: skip
            lines.write(json.dumps({**kinds[number // len(TOPICS)], "k": 20}) + "\n")


def fanned_out(program: Program, places: list[Path], batch: Path) -> list[list]:
    """Each index asked by a process of its own; the best of all by score, then by id, as an app would join its servers."""
    each = [answers(program, [place], batch) for place in places]
    joined = []
    for found in zip(*each, strict=True):
        best = sorted((hit for hits in found for hit in hits), key=lambda hit: (-hit[2], hit[1]))[:20]
        joined.append([(rank, *hit[1:]) for rank, hit in enumerate(best, 1)])
    return joined


def compare(program: Program, one: Path, job: Path, shards: list[Path], batch: Path, count: int) -> None:
    program.json("verify", job)
    for name, places in (("the merged index", [job]), ("the shards side by side", shards)):
        expected, found = documents(program, [one], count), documents(program, places, count)
        if len(expected) != count or expected != found:
            differ = [id for id in {*expected, *found} if expected.get(id) != found.get(id)]
            raise Wrong(
                f"{name}: {len(differ)} of {count} documents differ, such as {sorted(differ)[:3]}; one build has {len(expected)}"
            )
        for number, (ours, theirs) in enumerate(
            zip(answers(program, [one], batch), answers(program, places, batch), strict=True)
        ):
            if not ours or ours != theirs:
                raise Wrong(
                    f"{name}: question {number} is answered otherwise\n  one build: {ours[:2]}\n  the job:   {theirs[:2]}"
                )
        say(f"{name}: {count} documents and all answers are equal")
    # Parts of a query that ask for other documents, and keywords, need more than one round: docs/scale.md.
    media = batch.with_name("media.jsonl")
    asked = [json.loads(text) for text in batch.read_text(encoding="utf-8").splitlines()]
    asked = [{**line, "prior": 0.001} for line in asked if not {"like", "keywords", "words"} & set(line)]
    media.write_text("".join(json.dumps(line) + "\n" for line in asked), encoding="utf-8")
    if fanned_out(program, shards, media) != answers(program, [one], media):
        raise Wrong("shards in processes of their own, joined by score and id, answer otherwise than one index")
    say(f"shards in processes of their own: {len(asked)} answers are equal")


def prepare(program: Program, work: Path, count: int) -> tuple[Path, Path, Path]:
    """Corpus, bundle, and the index of one build."""
    lines, bundle, one = work / "corpus.jsonl", work / "my.bundle", work / "one.index"
    corpus(lines, count)
    with open(lines, encoding="utf-8") as text, open(work / "train.jsonl", "w", encoding="utf-8") as train:
        train.writelines(next(text) for _ in range(TRAIN))
    (work / "short.toml").write_text(SHORT, encoding="utf-8")
    program.json("train", work / "train.jsonl", *KEYS, "--label", "topic", "--config", work / "short.toml", "--out", bundle)
    started = time.monotonic()
    program.json("build", lines, *KEYS, "--bundle", bundle, "--out", one)
    say(f"one build: {time.monotonic() - started:.1f} s")
    return lines, bundle, one


def line(kind: str, program: Program, lines: Path, bundle: Path, job: Path, *more: object) -> list[str]:
    fixed = ["--bundle", bundle, "--out", job / "my.index", "--work", job / "work", "--shards", SHARDS, "--fan-in", 3]
    end = ["--binary", program.binary, "--", *KEYS, "--threads", 1, "--commit-every", 500]
    return [sys.executable, *map(str, [HERE / f"build_{kind}.py", lines, *fixed, *more, *end])]


def killed(kind: str, program: Program, lines: Path, bundle: Path, job: Path) -> None:
    told: list[str] = []
    count = ["--workers", WORKERS] if kind == "dask" else ["--encoders", WORKERS]
    meanwhile = lambda driver: told.extend(killing(driver, program.binary, job / "work"))  # noqa: E731
    code, report, said = run(line(kind, program, lines, bundle, job, *count), meanwhile)
    if len(told) < 2:
        raise Wrong(f"{len(told)} of 2 workers were killed before the shards were whole: give more --documents")
    if code != 0 or not report or not report["ok"]:
        raise Wrong(f"the job ended with {code}")


def restarted(program: Program, lines: Path, bundle: Path, job: Path) -> None:
    """Dask with processes of their own, of which the scheduler is killed and started again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, ours = f"tcp://127.0.0.1:{port}", []

    def cluster() -> subprocess.Popen:
        dask = [sys.executable, "-m", "dask"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        scheduler = subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"], **quiet)
        worker = [*dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--local-directory", str(job)]
        ours.extend([scheduler, *(subprocess.Popen(worker, **quiet) for _ in range(WORKERS))])
        return scheduler

    def lose(driver: subprocess.Popen) -> None:
        while driver.poll() is None and whole(job / "work") < 2:
            time.sleep(0.02)
        scheduler.kill()
        say(f"killed the scheduler at {whole(job / 'work')} whole shards")

    words = line("dask", program, lines, bundle, job, "--scheduler", address)
    try:
        scheduler = cluster()
        code, _, said = run(words, lose)
        if code != 2 or "the scheduler is gone" not in said:
            raise Wrong(f"without its scheduler the driver ended with {code}")
        for process in ours:
            process.terminate()
            process.wait()
        before = whole(job / "work")
        cluster()
        code, report, _ = run(words, lambda driver: None)
        if code != 0 or not report:
            raise Wrong(f"with a new scheduler the driver ended with {code}")
        there = sum(made["state"] == "there" for name, made in report["made"].items() if name.startswith("shard"))
        if there < before:
            raise Wrong(f"{before} shards were whole, and {there} were taken over")
        say(f"{there} of {SHARDS} shards were taken over")
    finally:
        for process in ours:
            process.terminate()
        for process in ours:
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["dask", "ray"])
    parser.add_argument("--work", type=Path, required=True, help="a folder to make; it must not exist")
    parser.add_argument("--documents", type=int, default=24000)
    parser.add_argument("--binary", type=Path, default=HERE.parents[1] / "target/debug/uncsm-index")
    args = parser.parse_args()
    work = args.work.absolute()
    if work.exists():
        parser.error(f"{work} exists already")
    work.mkdir(parents=True)
    program = Program(str(args.binary.absolute()))
    try:
        lines, bundle, one = prepare(program, work, args.documents)
        batch = work / "questions.jsonl"
        questions(batch)
        jobs = {"killed": lambda job: killed(args.kind, program, lines, bundle, job)}
        if args.kind == "dask":
            jobs["restarted"] = lambda job: restarted(program, lines, bundle, job)
        for name, does in jobs.items():
            job = work / name
            job.mkdir()
            does(job)
            shards = sorted((job / "work").glob(f"shard-*-of-{SHARDS:05}"))
            compare(program, one, job / "my.index", shards, batch, args.documents)
    except Wrong as wrong:
        print(f"check.py {args.kind}: {wrong}", file=sys.stderr)
        return 1
    shutil.rmtree(work)
    print(f"{args.kind}: equal to the index of one build")
    return 0


if __name__ == "__main__":
    sys.exit(main())
