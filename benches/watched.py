"""Commands that are watched while they run: seconds, those of the processor, and memory."""

import json
import resource
import subprocess
import threading
import time
from pathlib import Path


def raised(peak, status):
    """Raises `peak`, in kB by name, to what the text of a `/proc/PID/status` says."""
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name in peak:
            peak[name] = max(peak[name], int(value.split()[0]))


def watched(command):
    """The JSON that a command prints, its seconds, those of the processor, and its peaks of memory in MB.

    Peaks are of anonymous memory (`RssAnon`) and mapped files (`RssFile`), asked every 10 ms.
    """
    peak = {"RssAnon": 0, "RssFile": 0}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def watch():
        while process.poll() is None:
            try:
                raised(peak, Path(f"/proc/{process.pid}/status").read_text())
            except OSError:
                break
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    out, err = process.communicate()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit {process.returncode}: {err.strip()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(out), time.monotonic() - started, used, {name: kb / 1024 for name, kb in peak.items()}
