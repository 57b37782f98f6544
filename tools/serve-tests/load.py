"""Many requests at a time against a server on this machine: are any lost, how long do they take, does memory grow?

Requests are sentences of numbers (features), words and filters over the fields of the index; the queries are drawn once from the
index's own documents.
"""

import argparse
import http.client
import json
import random
import sys
import threading
import time

from server import Server


def ask(connection, addr, path, body=None):
    headers = {"Origin": f"http://{addr}", "Content-Type": "application/json"} if body is not None else {}
    connection.request("POST" if body is not None else "GET", path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def queries(addr, kind, rng):
    """Queries from what the index holds: words of its texts, documents to be like."""
    connection = http.client.HTTPConnection(addr, timeout=60)
    hits = []
    for offset in range(0, 800, 200):
        status, body = ask(connection, addr, "/api/query", json.dumps({"filter": "*", "k": 200, "offset": offset}))
        assert status == 200, body
        hits += json.loads(body)["hits"]
    words = sorted({word for hit in hits for value in hit["fields"].values() if isinstance(value, str) for word in value.split() if word.isalpha()})
    ids = [hit["id"] for hit in hits if hit["id"]]
    out = []
    for n in range(400):
        which = kind if kind != "mixed" else ("words", "like", "both")[n % 3]
        query = {"k": 24}
        if which in ("words", "both"):
            query["words"] = " ".join(rng.sample(words, 2))
            query["prefix"] = True
        if which in ("like", "both"):
            query |= {"like": rng.choice(ids), "media": "any"}
        out.append(json.dumps(query))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", help="the index to serve; its own documents are what is asked for")
    parser.add_argument("--requests", type=int, default=10_000, help="in all (default %(default)s)")
    parser.add_argument("--at-once", type=int, default=8, help="connections, each with one request at a time (default %(default)s)")
    parser.add_argument("--binary", default="target/debug/uncsm-index", help="the program under test (default %(default)s)")
    parser.add_argument("--kind", default="mixed", choices=("words", "like", "mixed"), help="what a query asks by (default %(default)s)")
    args = parser.parse_args()
    with Server(args.binary, args.index) as server:
        asked = queries(server.addr, args.kind, random.Random(7))
        lock, left, times, bad, memory = threading.Lock(), [args.requests], [], [], []

        def work():
            connection = http.client.HTTPConnection(server.addr, timeout=60)
            while True:
                with lock:
                    if left[0] == 0:
                        return
                    left[0] -= 1
                    n = left[0]
                began = time.perf_counter()
                try:
                    status, body = ask(connection, server.addr, "/api/query", asked[n % len(asked)])
                    if status != 200 or "hits" not in json.loads(body):
                        bad.append(f"{status} {body[:200]}")
                except (OSError, http.client.HTTPException, ValueError) as error:
                    bad.append(repr(error))
                    connection = http.client.HTTPConnection(server.addr, timeout=60)
                with lock:
                    times.append(time.perf_counter() - began)
                    if len(times) % (args.requests // 10) == 0:
                        memory.append(rss(server.process.pid))
                        print(f"{len(times)} of {args.requests}, {memory[-1]:.0f} MiB, {len(bad)} lost", file=sys.stderr, flush=True)

        began = time.perf_counter()
        threads = [threading.Thread(target=work) for _ in range(args.at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        status, body = ask(http.client.HTTPConnection(server.addr, timeout=60), server.addr, "/api/status")
        told = json.loads(body)
    times.sort()
    at = lambda share: 1000 * times[min(len(times) - 1, int(len(times) * share))]
    print(f"{len(times)} requests, {args.at_once} at a time, {seconds:.1f} s, {len(times) / seconds:.0f} per second; {len(bad)} lost")
    print(f"p50 {at(0.5):.1f} ms, p95 {at(0.95):.1f} ms, p99 {at(0.99):.1f} ms, longest {1000 * times[-1]:.1f} ms")
    print(f"the server says {told['queries']}, {told['latency_ms']}")
    print("memory in MiB after each tenth:", " ".join(f"{m:.0f}" for m in memory))
    for error in bad[:3]:
        print(error)
    # It goes up and down by a fifth; what leaks goes up alone.
    half = len(memory) // 2
    grown = max(memory[half:]) > 1.25 * max(memory[:half])
    raise SystemExit(1 if bad or grown else 0)


def rss(pid):
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


if __name__ == "__main__":
    main()
