"""What the demo's probabilities and hits are worth: every held-out caption and picture as a query of the demo's own index.

    python3 benches/quality/demo.py [--dir DIR] [--binary PATH] [--seed N]

`--dir` is what `uncsm-index demo --dir DIR` wrote; it is made where it is missing. Each caption of the test split asks for pictures, each of its first
pictures for captions, ten hits each, among all documents: the natural rate. A hit is right for `class` where it shows a shape of the same kind
and colour, for `pair` where it is the document of the query. "kind and colour": of the first five hits of captions that name both of the one shape
they tell of, the share that has both, by target, beside the most that any order could have.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from reliability import AT_LEAST, TOP, figures

ROOT = Path(__file__).resolve().parents[2]
SENTENCE = "a big red circle on the left, striped background"
FIRST = 5


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, default=Path("uncsm-demo"))
    parser.add_argument("--binary", type=Path, default=ROOT / "target/debug/uncsm-index")
    parser.add_argument("--seed", type=int, default=42, help="of a demo that is made here")
    return parser.parse_args()


def ask(binary, folder, lines):
    """The hits of each line of a batch."""
    with tempfile.TemporaryDirectory() as scratch:
        batch = Path(scratch) / "batch.jsonl"
        batch.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        command = [str(binary), "query", str(folder / "index"), "--batch", str(batch), "--json", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"query: exit {done.returncode}\n{done.stderr.strip()}")
    return [json.loads(line)["hits"] for line in done.stdout.splitlines()]


def pictures(line):
    """File names of a document's pictures."""
    found = line.get("image", [])
    return [found] if isinstance(found, str) else found


def judged(asked, answers, documents, target):
    """Rank, probability and whether it is right, of every hit."""
    def is_right(query, hit):
        return hit["id"] == query["id"] if target == "pair" else documents[hit["id"]]["shape"] == query["shape"]

    return [[hit["rank"], hit["probability"], is_right(query, hit)] for query, hits in zip(asked, answers, strict=True) for hit in hits]


def conjunctions(asked, answers, documents):
    """Of the first hits of captions that name kind and colour: the share that has both, and the most that could."""
    met = possible = places = 0
    for query, hits in zip(asked, answers, strict=True):
        if query["color"] not in query["text"].lower() or query["category"] not in query["text"].lower():
            continue
        # A second shape has a colour of its own, which the fields do not tell.
        if sum(word in query["text"].lower() for word in (" of ", "above", "below", "under", "beneath", "higher", " and a")):
            continue
        same = {doc["id"] for doc in documents.values() if doc["shape"] == query["shape"]}
        met += sum(hit["id"] in same for hit in hits[:FIRST])
        possible += min(FIRST, len(same))
        places += FIRST
    return met / places, possible / places, places // FIRST


def main():
    args = arguments()
    if not args.dir.exists():
        subprocess.run([str(args.binary), "demo", "--dir", str(args.dir), "--seed", str(args.seed), "--quiet"], check=True)
    lines = [json.loads(line) for line in (args.dir / "corpus.jsonl").read_text(encoding="utf-8").splitlines()]
    if any("shape" not in line for line in lines):
        raise SystemExit(f"{args.dir} is of a version whose scenes had no shape; make the demo anew, or name another --dir")
    documents = {line["id"]: line for line in lines}
    held = [line for line in lines if line.get("split") == "test"]
    captions = {}
    print(f"{len(held)} held-out documents of {len(lines)}, {TOP} hits of each query\n")
    print("| query | target | hits | right | best hit right, its probability | " + " | ".join(f"right at >= {least}" for least in AT_LEAST) + " | ECE |")
    print("|---" * (6 + len(AT_LEAST)) + "|")
    for name, media in (("caption", "image"), ("picture", "text")):
        asked = held if name == "caption" else [line for line in held if pictures(line)]
        for target in ("class", "pair"):
            say = (lambda line: {"text": line["text"]}) if name == "caption" else (lambda line: {"image": str((args.dir / pictures(line)[0]).resolve())})
            answers = ask(args.binary, args.dir, [{**say(line), "media": media, "target": target, "k": TOP} for line in asked])
            if name == "caption":
                captions[target] = answers
            hits = judged(asked, answers, documents, target)
            found = figures(hits)
            shares = [found[f"at {least}"] for least in AT_LEAST]
            best = [hit for hit in hits if hit[0] == 1]
            mean = sum(hit[1] for hit in best) / len(best)
            cells = ["" if share["right"] is None else f"{share['right']:.3f} of {share['count']}" for share in shares]
            print(f"| {name} | `{target}` | {found['hits']} | {found['right']:.3f} | {found['first']:.3f}, {mean:.3f} | {' | '.join(cells)} | {found['ece']:.3f} |")
    print()
    captions["both"] = ask(args.binary, args.dir, [{"text": line["text"], "media": "image", "target": "both", "k": FIRST} for line in held])
    for target, answers in captions.items():
        met, possible, count = conjunctions(held, answers, documents)
        print(f"kind and colour, {target}: {met:.3f} of {possible:.3f} that is possible, {count} captions")
    for target in ("both", "pair"):
        print(f'\n"{SENTENCE}", {target}:')
        for hit in ask(args.binary, args.dir, [{"text": SENTENCE, "media": "image", "target": target, "k": FIRST}])[0]:
            shown = documents[hit["id"]]
            print(f"  {hit['rank']}. {hit['id']}  p {hit['probability']:.3f}  {shown['size']} {shown['shape']}, {shown['background']}: {shown['text']}")


if __name__ == "__main__":
    main()
