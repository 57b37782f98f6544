"""The scripts for Kubernetes and Slurm: their syntax, that the real command line takes their commands, and that they do
their work with a stand-in.

The real command line is the program that UNCSM_INDEX names, else target/debug/uncsm-index; PyYAML comes with
requirements-dask.txt.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

try:
    import yaml
except ImportError:
    yaml = None

HERE = Path(__file__).resolve().parent
PROGRAM = Path(os.environ.get("UNCSM_INDEX", HERE.parents[1] / "target/debug/uncsm-index"))
SLURM = HERE / "slurm.sh"
DOCUMENTS = 40
needs_program = unittest.skipUnless(PROGRAM.exists(), f"{PROGRAM} is not there: cargo build, or name it by UNCSM_INDEX")
needs_yaml = unittest.skipUnless(yaml, "PyYAML is not installed: pip install -r requirements-dask.txt")


def jobs():
    with open(HERE / "kubernetes.yaml", encoding="utf-8") as text:
        return {job["metadata"]["labels"]["step"]: job for job in yaml.safe_load_all(text)}


def container(job):
    (one,) = job["spec"]["template"]["spec"]["containers"]
    return one


def commands(text):
    """The command lines of a shell script that begin with the program, as words; variables become 1, redirections go."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.lstrip().startswith("#") or not (match := re.search(r"\buncsm-index (\w+ .*)", line)):
            continue
        words = shlex.split(re.sub(r"\$\{?\w+\}?|\$\(\w+\)", "1", match[1].split(" > ")[0]))
        found.append(words)
    return found


class Syntax(unittest.TestCase):
    def test_slurm_parses(self):
        done = subprocess.run(["bash", "-n", str(SLURM)], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        head = re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", SLURM.read_text(encoding="utf-8"), re.M)
        self.assertEqual(dict(head)["array"], "0-63%16")
        done = subprocess.run(["bash", str(SLURM), "nothing"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (2, "usage: slurm.sh [schema|shard|merge|features]\n"))

    @needs_yaml
    def test_kubernetes_parses_and_is_a_job_each(self):
        found = jobs()
        self.assertEqual(list(found), ["schema", "shards", "merge", "features"])
        for step, job in found.items():
            self.assertEqual((job["apiVersion"], job["kind"]), ("batch/v1", "Job"))
            spec, pod = job["spec"], job["spec"]["template"]["spec"]
            # With another policy a container is started again in its pod, and the limit per index is refused.
            self.assertEqual(pod["restartPolicy"], "Never", step)
            self.assertEqual(
                {mount["name"] for mount in container(job)["volumeMounts"]}, {volume["name"] for volume in pod["volumes"]}, step
            )
            if step in ("shards", "features"):
                self.assertEqual((spec["completionMode"], spec["backoffLimitPerIndex"]), ("Indexed", 3))
                self.assertNotIn("backoffLimit", spec)
                self.assertTrue(any("$(JOB_COMPLETION_INDEX)" in word for word in container(job)["args"]))
        shard = next(word for word in container(found["shards"])["args"] if word.startswith("--shard="))
        self.assertEqual(shard, f"--shard=$(JOB_COMPLETION_INDEX)/{found['shards']['spec']['completions']}")

    @needs_yaml
    def test_both_scripts_run_the_same_commands(self):
        kubernetes = []
        for job in jobs().values():
            args = container(job)["args"]
            kubernetes += commands(args[0]) if container(job)["command"][0] == "sh" else [args]
        slurm = commands(SLURM.read_text(encoding="utf-8"))
        flags = [
            [sorted({word.split("=")[0] for word in words if word.startswith("--")}) for words in lines]
            for lines in (kubernetes, slurm)
        ]
        self.assertEqual(*flags)
        self.assertEqual([words[0] for words in kubernetes], ["schema", "build", "merge", "features"])

    @needs_program
    def test_the_real_command_line_takes_them(self):
        lines = commands(SLURM.read_text(encoding="utf-8"))
        if yaml:
            for job in jobs().values():
                text = container(job)["args"]
                lines += commands(text[0]) if container(job)["command"][0] == "sh" else [text]
        self.assertGreaterEqual(len(lines), 4)
        for words in lines:
            # Words before --help are parsed, and nothing is done.
            done = subprocess.run([str(PROGRAM), *words, "--help"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")
            wrong = subprocess.run([str(PROGRAM), *words, "--no-such-flag", "--help"], capture_output=True, text=True)
            self.assertEqual(wrong.returncode, 2, words)


class Work(unittest.TestCase):
    def setUp(self):
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.data, faults, programs = (self.root / name for name in ("data", "faults", "bin"))
        for folder in (self.data / "shards", self.data / "parts", self.data / "my.bundle", faults, programs):
            folder.mkdir(parents=True)
        (programs / "uncsm-index").symlink_to(HERE / "stand_in.py")
        self.faults = faults
        self.env = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "STAND_IN": str(faults),
            "UNCSM_JOB": str(self.data),
            "UNCSM_SHARDS": "3",
        }
        lines = [json.dumps({"id": i, "text": "x" * (i % 7)}) + "\n" for i in range(DOCUMENTS)]
        (self.data / "corpus.jsonl").write_text("".join(lines))
        (self.data / "parts/part-2.jsonl").write_text("".join(lines[:5]))

    def sh(self, *words, **env):
        done = subprocess.run(words, env={**self.env, **env}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def index_is_whole(self):
        self.assertEqual((self.data / "my.index/a.store").read_bytes(), (self.data / "corpus.jsonl").read_bytes())

    def test_slurm_builds_and_merges(self):
        self.sh(str(SLURM), "schema")
        self.assertEqual((self.data / "schema.toml").read_text(), "complete = true\n")
        for task in range(3):
            said = json.loads(self.sh(str(SLURM), SLURM_ARRAY_TASK_ID=str(task), SLURM_CPUS_PER_TASK="2"))
            self.assertEqual((said["shard"], said["already"]), ({"index": task, "of": 3}, False))
        self.assertTrue(json.loads(self.sh(str(SLURM), SLURM_ARRAY_TASK_ID="1"))["already"])
        self.assertEqual(json.loads(self.sh(str(SLURM), "merge"))["missing"], [])
        self.index_is_whole()
        self.assertEqual(json.loads(self.sh(str(SLURM), "features", SLURM_ARRAY_TASK_ID="2"))["rows"], 5)
        self.assertTrue((self.data / "features-cache").is_dir())

    def test_slurm_gives_the_exit_code_and_hands_signals_on(self):
        (self.faults / "break-0").write_text("bad_value")
        done = subprocess.run([str(SLURM)], env=self.env, capture_output=True, text=True)
        self.assertEqual((done.returncode, json.loads(done.stderr)["error"]["code"]), (2, "bad_value"))
        (self.faults / "slow").write_text("30")
        task = subprocess.Popen([str(SLURM)], env={**self.env, "SLURM_ARRAY_TASK_ID": "1"}, stderr=subprocess.DEVNULL)
        while not (self.data / "shards/shard-1.partial").exists():
            time.sleep(0.01)
        started = time.monotonic()
        task.send_signal(signal.SIGTERM)
        self.assertEqual(task.wait(), 128 + signal.SIGTERM)
        self.assertLess(time.monotonic() - started, 10)

    @needs_yaml
    def test_kubernetes_builds_and_merges(self):
        def pod(step, index=0):
            """What the kubelet runs: it writes the index into the arguments. Paths are those of this test."""
            one = container(jobs()[step])
            words = [*one["command"], *one["args"]]
            words = [word.replace("$(JOB_COMPLETION_INDEX)", str(index)).replace("/64", "/3") for word in words]
            words = [re.sub(r"(?<![\w.])/(data|scratch)", rf"{self.root}/\1", word) for word in words]
            return self.sh(*words)

        (self.root / "scratch").mkdir()
        pod("schema")
        for index in range(3):
            self.assertEqual(json.loads(pod("shards", index))["shard"], {"index": index, "of": 3})
        self.assertTrue(json.loads(pod("shards", 1))["already"])
        self.assertEqual(json.loads(pod("merge"))["missing"], [])
        self.index_is_whole()
        # A pod whose end was not noticed is run again.
        self.assertEqual(pod("merge"), "")
        self.assertEqual(json.loads(pod("features", 2))["rows"], 5)


if __name__ == "__main__":
    unittest.main()
