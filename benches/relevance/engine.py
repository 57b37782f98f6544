"""The project's binary: bundles, indexes, fitted fusions, and answers to batches. What is there from the same inputs is kept."""

import hashlib
import json
import shutil
import subprocess

from quality import data
from rows import write_documents, write_training

# Raised when the way of asking changes, so that older answers are no part of a new table.
VERSION = 1


class Refused(Exception):
    """The engine refuses what a system asks: an error for every line."""


def digest(*parts):
    """SHA-256 of what `parts` say, as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Engine:
    """Runs the binary below the folder `out`.

    `keep_bundles`: bundles stay that another version of the binary has trained. `again`: nothing stays.
    """

    def __init__(self, binary, out, threads, again=False, keep_bundles=False):
        self.binary, self.out, self.again = binary, out, again
        self.threads = [] if threads is None else ["--threads", str(threads)]
        self.version, self.keep_bundles = digest(VERSION, data.file_hash(binary)), keep_bundles
        self.made = set()

    def call(self, *arguments, codes=(0,)):
        """Standard output of a command."""
        done = subprocess.run([str(self.binary), *map(str, arguments), "--json", "--quiet", *self.threads], capture_output=True, text=True)
        if done.returncode not in codes:
            raise RuntimeError(f"{self.binary} {arguments[0]}: exit {done.returncode}\n{done.stderr.strip()}")
        return done.stdout

    def _keep(self, path, inputs, make, any_binary=False):
        """Makes the folder `path` unless it is there from the same `inputs` and this binary, or `any_binary`."""
        note = path.with_name(path.name + ".made")
        there = json.loads(note.read_text()) if path.exists() and note.exists() else [None, None]
        if self.again and path not in self.made or there[0] != inputs or not (any_binary or there[1] == self.version):
            there = [inputs, self.version]
            note.unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)
            make(path)
            note.write_text(json.dumps(there))
        self.made.add(path)
        return Made(path, digest(*there))

    def bundle(self, name, rows, held_out, seed):
        """A bundle trained with default settings on `rows` that are not `held_out` [n] bool."""
        features = self.out / f"{name}.safetensors"
        write_training(rows, held_out, features)

        def make(path):
            media = ["--pathway", "image=image", "--pathway", "text=text"]
            self.call("train", "--features", features, *media, "--label", "label", "--test-mask", "is_test", "--out", path, "--seed", seed)

        inputs = digest(data.file_hash(features), seed, self.threads)
        made = self._keep(self.out / f"{name}.bundle", inputs, make, any_binary=self.keep_bundles)
        features.unlink()
        return made

    def index(self, name, bundle, rows, task):
        """An index of what `task` lets it know of `rows`."""
        features, corpus = self.out / f"{name}.safetensors", self.out / f"{name}.jsonl"
        write_documents(rows, task.media, task.fields, features, corpus)

        def make(path):
            source = ["--features", features, "--pathway", f"{task.media}={task.media}", "--corpus", corpus]
            self.call("build", *source, "--bundle", bundle.path, "--out", path, "--strict")

        inputs = digest(bundle.key, data.file_hash(features), data.file_hash(corpus))
        made = self._keep(self.out / f"{name}.index", inputs, make)
        features.unlink()
        corpus.unlink()
        return made

    def fuse(self, name, bundle, index, clicks, target):
        """The bundle with a fusion learned for `target`, fitted on `index` to `clicks`, lines of queries with `relevant` ids."""
        file = self.out / f"{name}.clicks.jsonl"
        file.write_text("".join(line + "\n" for line in clicks), encoding="utf-8")

        def make(path):
            self.call("fuse", bundle.path, "--clicks", file, "--index", index.path, "--target", target, "--out", path)

        inputs = digest(bundle.key, index.key, data.file_hash(file), target)
        made = self._keep(self.out / f"{name}.bundle", inputs, make)
        file.unlink()
        return made

    def attach(self, index, bundle):
        """Lets `index` use `bundle`; its answers are others from now on."""
        self.call("attach", index.path, "--bundle", bundle.path)
        return Made(index.path, digest(index.key, bundle.key))

    def ids(self, index, lines):
        """The ids of the hits of each batch line, best first; equal lines are asked once.

        # Errors
        `Refused` where each line is refused with the same message; `RuntimeError` where only some are.
        """
        numbers = {}
        for line in lines:
            numbers.setdefault(line, len(numbers))
        batch = hashlib.sha256("\n".join(numbers).encode()).hexdigest()
        place = self.out / "answers" / f"{digest(self.version, index.key, batch)}.json"
        if place.exists() and (not self.again or place in self.made):
            answers = json.loads(place.read_text())
        else:
            answers = self._ask(index, list(numbers))
            place.parent.mkdir(exist_ok=True)
            place.write_text(json.dumps(answers))
        self.made.add(place)
        if isinstance(answers, str):
            raise Refused(answers)
        return [answers[numbers[line]] for line in lines]

    def _ask(self, index, lines):
        batch = self.out / "batch.jsonl"
        batch.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        # 1: no query found anything, 2: a line is refused.
        said = self.call("query", index.path, "--batch", batch, codes=(0, 1, 2))
        batch.unlink()
        answers = [json.loads(line) for line in said.splitlines()]
        if [answer["line"] for answer in answers] != list(range(1, len(lines) + 1)):
            raise RuntimeError(f"{index.path}: expected one answer for each of {len(lines)} lines, in order and counted from 1, got {len(answers)}")
        errors = [answer["error"]["message"] for answer in answers if "error" in answer]
        if len(errors) == len(lines) and len(set(errors)) == 1:
            return errors[0]
        if errors:
            raise RuntimeError(f"{index.path}: {len(errors)} of {len(lines)} lines are refused, the first with: {errors[0]}")
        return [ids_of(answer["hits"]) for answer in answers]


class Made:
    """Something on disk and what it was made from."""

    def __init__(self, path, key):
        self.path, self.key = path, key


def ids_of(hits):
    """Ids in the order of their ranks, which must be 1, 2 and so on."""
    ranks = [hit["rank"] for hit in hits]
    if ranks != list(range(1, len(hits) + 1)):
        raise RuntimeError(f"hits are not in the order of their ranks: {ranks}")
    return [hit["id"] for hit in hits]
