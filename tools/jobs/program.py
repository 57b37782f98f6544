"""Running `uncsm-index`: argument lists in, the object that it prints out, errors as sentences. Ends no process but its own
child.
"""

import json
import socket
import subprocess
import time
from pathlib import Path

# Words of errors that another try, maybe on another machine, may mend: a disk, a mount, a lock, a stopped process.
AGAIN = frozenset({"io", "not_found", "locked", "interrupted", "engine"})


class Failure(Exception):
    """One sentence for the operator. `again`: whether another try may do better. `code`: the program's word, where it said one."""

    def __init__(self, sentence: str, again: bool = False, code: str = ""):
        super().__init__(sentence, again, code)
        self.again, self.code = again, code

    def __str__(self) -> str:
        return self.args[0]


def sentence(error: dict) -> str:
    """The sentence of an error in JSON, with its place and its way out."""
    place = ":".join(str(error[key]) for key in ("file", "line") if key in error)
    text = f"{place}: {error['message']}" if place else str(error["message"])
    facts = [f"{key} {error[key]}" for key in ("expected", "got", "hint") if key in error]
    return "; ".join([text, *facts]).replace("; hint ", "; ")


def start(line: list[str]) -> tuple[int, bytes, bytes]:
    """Runs a command to its end. Gives its exit code, what it printed, and what it said on stderr."""
    try:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        reason = f"{line[0]} does not run on {socket.gethostname()}: {error.strerror or error}"
        raise Failure(f"{reason}; name the program by --binary", again=True) from None
    with process:
        try:
            out, err = process.communicate()
        except BaseException:
            # This process is asked to end. The child is ours: it commits what it has, and ends.
            process.terminate()
            raise
    if process.returncode < 0:
        reason = f"{name(line)} was ended by signal {-process.returncode} on {socket.gethostname()}"
        raise Failure(reason, again=True)
    return process.returncode, out, err


def name(line: list[str]) -> str:
    return " ".join([Path(line[0]).name, *line[1:2]])


def call(binary: str, *arguments: object) -> dict:
    """Runs `BINARY ARGUMENTS --json --quiet` and gives what it prints. Raises Failure with the program's own sentence."""
    line = [binary, *map(str, arguments), "--json", "--quiet"]
    code, out, err = start(line)
    if code == 0:
        try:
            return json.loads(out)
        except ValueError:
            raise Failure(f"{name(line)} printed no JSON: {out[:200]!r}") from None
    lines = err.decode(errors="replace").strip().splitlines()
    for text in reversed(lines):
        try:
            error = json.loads(text)["error"]
            word, told = error["code"], sentence(error)
        except (ValueError, KeyError, TypeError):
            continue
        raise Failure(told, again=word in AGAIN, code=word)
    raise Failure(f"{name(line)} ended with {code}: {lines[-1] if lines else 'it said nothing'}")


def patiently(patience: float, binary: str, *arguments: object) -> dict:
    """As `call`, but waits while another worker has the lock: what it makes is what is wanted here."""
    started, pause = time.monotonic(), 0.1
    while True:
        try:
            return call(binary, *arguments)
        except Failure as failure:
            if failure.code != "locked" or time.monotonic() - started > patience:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 10.0)
