"""Whether `--recall` keeps its promise: recall of the true top 10 on queries that no curve has seen.

    pip install -r benches/peers/requirements.txt
    python3 benches/peers/promise.py --work DIR [--out FILE.json] [--binary PATH] [--bundle DIR] [--queries N] [--rounds N] [--recall R]
                                     [--states one,parts,filters,changed,many] [--seed N]

Reads what `run.py` reads, and asks with the pictures and texts of OpenClipart's test rows, for each target of the bundle. True is what the same query
finds with `exact`. The states of the index:

- `one`: the 60,004 Debian packages, built at once.
- `parts`: the same asked by a picture and a text together, for both targets at once, and for a least probability of one half.
- `filters`: the same under filters that 50, 10, 1 and 0.1 % of the documents pass.
- `changed`: after rounds of changes. Each adds 1,500 documents, of which a third replace one, and deletes 500; a tenth of the rows was kept back for it.
- `many`: 20 indexes of 5,000 rows each (`grow.py`), asked as if they were one.

Two numbers are shown: recall by ids, and by scores (a hit counts whose score is at least that of the last true one: equal scores are as good).
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import prepare
from run import DATA, ROOT

TENSOR, K = "text_minilm", 10
SHARES = (0.5, 0.1, 0.01, 0.001)
MANY, EACH = 20, 5000


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of what is made once")
    parser.add_argument("--out", type=Path, help="writes all figures here, too")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/measured/uncsm-index", help="default: that of `cargo build --profile measured`")
    parser.add_argument("--bundle", type=Path, help="a bundle in place of one that is trained here")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--recall", type=float, default=0.99)
    parser.add_argument("--states", default="one,parts,filters,changed,many")
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args()


def subset(rows, features, lines, folder):
    """Writes some rows as features and documents."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({TENSOR: np.ascontiguousarray(features[rows])}, folder / "rows.safetensors")
    (folder / "docs.jsonl").write_text("".join(lines[row] + "\n" for row in rows), encoding="utf-8")
    return ["--features", folder / "rows.safetensors", "--pathway", f"text={TENSOR}", "--corpus", folder / "docs.jsonl"]


def ask(binary, indexes, queries, targets, common):
    """Answers of one batch, by kind and query."""
    kinds = [(media, target) for media in queries for target in targets]
    with tempfile.TemporaryDirectory() as folder:
        batch = Path(folder) / "batch.jsonl"
        with open(batch, "w", encoding="utf-8") as out:
            for media, target in kinds:
                for features in queries[media]:
                    line = {"features": features, "media": "text", "target": target, "k": K, **common}
                    out.write(json.dumps(line) + "\n")
        done = subprocess.run([str(binary), "query", *map(str, indexes), "--batch", str(batch), "--json", "--quiet"], capture_output=True, text=True)
        if done.returncode not in (0, 1):
            raise SystemExit(f"query: exit {done.returncode}\n{done.stderr.strip()}")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    count = len(next(iter(queries.values())))
    return {kind: answers[at * count :][:count] for at, kind in enumerate(kinds)}


def compare(found, true, same=True):
    """Recall by ids, by scores, share of queries that looked at all, median of scored documents; counts must be equal where they are the `same`.

    Recall is None where no exact answer has a hit, as where none reaches a least probability.
    """
    ids, scores = [], []
    for mine, theirs in zip(found, true, strict=True):
        # Fewer may reach a least probability.
        if len(mine["hits"]) > len(theirs["hits"]) or (same and len(mine["hits"]) < len(theirs["hits"])):
            raise SystemExit(f"expected {len(theirs['hits'])} hits, got {len(mine['hits'])}")
        if not theirs["hits"]:
            continue
        known = {hit["id"] for hit in theirs["hits"]}
        ids.append(sum(hit["id"] in known for hit in mine["hits"]) / len(known))
        scores.append(sum(hit["score"] >= theirs["hits"][-1]["score"] for hit in mine["hits"]) / len(known))
    scored = float(np.median([one["scored"] for one in found]))

    def mean(values):
        return float(np.mean(values)) if values else None

    return {"queries": len(ids), "ids": mean(ids), "scores": mean(scores), "exact": float(np.mean([one["exact"] for one in found])), "scored": scored}


def measured(args, name, indexes, queries, targets, more=None):
    """A row for each kind of query."""
    common = more or {}
    found = ask(args.binary, indexes, queries, targets, {**common, "recall": args.recall})
    true = ask(args.binary, indexes, queries, targets, {**common, "exact": True})
    out = []
    for (media, target), answers in found.items():
        row = {"state": name, "query": media, "target": target, **compare(answers, true[media, target], "min-probability" not in common)}
        recalls = ["no hits" if row[key] is None else f"{row[key]:.4f}" for key in ("ids", "scores")]
        print("| " + " | ".join([name, media, target, *recalls, f"{row['scored']:.0f}", f"{row['exact']:.2f}"]) + " |", flush=True)
        out.append(row)
    return out


def changed(args, bundle, features, lines, folder):
    """An index after rounds of changes; its path."""
    random = np.random.default_rng(args.seed)
    order = random.permutation(len(lines))
    kept_back, alive = list(order[: len(order) // 10]), list(order[len(order) // 10 :])
    index = folder / "index"
    prepare.call(args.binary, "build", *subset(np.sort(alive), features, lines, folder), "--bundle", bundle, "--out", index, "--force")
    ids = [json.loads(line)["id"] for line in lines]
    for _ in range(args.rounds):
        new, kept_back = kept_back[:1000], kept_back[1000:]
        old = list(random.choice(alive, 500, replace=False))
        prepare.call(args.binary, "add", index, *subset(np.array(new + old, int), features, lines, folder))
        alive += new
        gone = set(random.choice(alive, 500, replace=False).tolist())
        prepare.call(args.binary, "delete", index, *[word for row in gone for word in ("--id", ids[row])])
        alive = [row for row in alive if row not in gone]
        kept_back += list(gone)
    return index


def main():
    args = arguments()
    missing = [str(path) for path in prepare.files(DATA).values() if not path.exists()]
    if missing:
        print(f"skipped: {', '.join(missing)} not there (set UNCSM_DATA)")
        return
    args.work.mkdir(parents=True, exist_ok=True)
    bundle = args.bundle or prepare.bundle(args.binary, DATA, args.work)
    real, docs = prepare.corpus(DATA, args.work, None, args.seed)
    clipart = load_file(prepare.files(DATA)["clipart"])
    rows = np.random.default_rng(args.seed).permutation(np.flatnonzero(clipart["is_test"]))[: args.queries]
    tensors = {"image": clipart["image_efficientnet_lite0"][rows], "text": clipart["text_minilm"][rows]}
    queries = {media: [{media: row.tolist()} for row in tensor] for media, tensor in tensors.items()}
    targets = ["pair"] + (["class"] if "label" in clipart else [])
    index = args.work / "promise-index"
    prepare.index(args.binary, bundle, real, docs, index)
    print(f"recall {args.recall}, {len(rows)} queries of each kind\n")
    print("| index | query | target | recall by ids | by scores | documents scored (median) | looked at all |\n" + "|---" * 7 + "|")
    out, states = [], args.states.split(",")
    if "one" in states:
        out += measured(args, "one build", [index], queries, targets)
    if "parts" in states:
        pairs = [{**image, **text} for image, text in zip(queries["image"], queries["text"], strict=True)]
        # The next row as well: what does not belong together is harder.
        mixed = [{**image, **text} for image, text in zip(queries["image"], queries["text"][1:] + queries["text"][:1], strict=True)]
        out += measured(args, "two parts", [index], {"image + text": pairs, "image + another text": mixed}, targets)
        if len(targets) == 2:
            out += measured(args, "both targets", [index], {**queries, "image + text": pairs}, ["both"])
        out += measured(args, "at least .5", [index], queries, targets, {"min-probability": 0.5})
    lines = Path(docs).read_text(encoding="utf-8").splitlines()
    if "filters" in states:
        sizes = np.sort([json.loads(line)["size"] for line in lines])
        for share in SHARES:
            most = sizes[int(share * len(sizes))]
            out += measured(args, f"filter {share:.1%}", [index], queries, targets, {"filter": f"size:[0 TO {most}]"})
    if "changed" in states:
        with tempfile.TemporaryDirectory(dir=args.work) as folder:
            path = changed(args, bundle, load_file(real)[TENSOR], lines, Path(folder))
            segments = len(prepare.call(args.binary, "inspect", path)["segments"])
            out += measured(args, f"{args.rounds} rounds, {segments} segments", [path], queries, targets)
    if "many" in states:
        grown, docs = prepare.corpus(DATA, args.work, MANY * EACH, args.seed)
        features, lines = load_file(grown)[TENSOR], Path(docs).read_text(encoding="utf-8").splitlines()
        indexes = [args.work / f"promise-{at}" for at in range(MANY)]
        for at, path in enumerate(indexes):
            shutil.rmtree(path, ignore_errors=True)
            part = subset(np.arange(at * EACH, (at + 1) * EACH), features, lines, args.work / "promise-part")
            prepare.call(args.binary, "build", *part, "--bundle", bundle, "--out", path)
        out += measured(args, f"{MANY} indexes", indexes, queries, targets)
    if args.out:
        args.out.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
