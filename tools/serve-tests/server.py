"""The server as a child process."""

import json
import subprocess


class Server:
    def __init__(self, binary, index, *args):
        command = [binary, "serve", str(index), "--addr", "127.0.0.1:0", "--json", "--quiet", *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the server did not start")
        told = json.loads(line)
        self.url, self.addr = told["url"], told["addr"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
