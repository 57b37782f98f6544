"""Sorting and collapsing on the Debian packages: the answers beside Python's, and their cost beside the plain query.

    python3 benches/peers/sorted.py --work DIR [--binary PATH] [--bundle BUNDLE] [--rounds N] [--out FILE.json]

Reads `debian-packages/` in the folder UNCSM_DATA (default `../shared/data`), and `openclipart-mini/` where a bundle is trained. `--work` keeps
bundle and index from run to run; of an index there every query is asked in one process, `--batch` on one thread.

Every answer is compared with what Python makes of the documents: ids, the values that are sorted by, and the numbers of those collapsed;
what does not agree ends the run with exit code 1. Which documents a keyword matches, and in which order, is the plain query's own answer.
A cost is the median over rounds of the time of a block of equal lines, as a ratio to the block of the plain query in the same round: hits
show no fields, and a block is as long as the lines that a batch runs together.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import prepare

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("UNCSM_DATA", ROOT / "../shared/data"))
# Lines that a batch runs together.
BLOCK = 64
WORD = "library"
# Restriction, fields to sort by, field to collapse by.
CASES = [
    ({"filter": "*"}, ["size"], None),
    ({"filter": "*"}, ["size:desc"], None),
    ({"filter": "*"}, ["section_exact"], None),
    ({"filter": "*"}, ["section_exact:desc", "size"], None),
    ({"filter": "*"}, ["tags_exact:desc", "size:desc"], None),
    ({"filter": "section_exact:games"}, ["size:desc"], None),
    ({"keywords": WORD}, ["size:desc"], None),
    ({"filter": "*"}, ["size:desc"], "section_exact"),
    ({"filter": "*"}, ["size"], "tags_exact"),
    ({"filter": "*"}, [], "section_exact"),
    ({"keywords": WORD}, [], "section_exact"),
    ({"keywords": WORD}, ["section_exact:desc"], "tags_exact"),
]  # fmt: skip
PAGES = [(10, 0), (7, 13), (100, 20_000), (10, 10**6)]
# Of these the cost is taken, beside the same restriction alone.
COSTS = CASES[:4] + CASES[6:9] + [CASES[10]]


def line(restriction, sort, collapse, **more):
    out = {**restriction, **({"sort": sort} if sort else {}), **({"collapse": collapse} if collapse else {}), **more}
    return json.dumps({**out, "fields": "none"})


def name(restriction, sort, collapse):
    asked = " ".join(f"{key} {value}" for key, value in restriction.items())
    return " ".join([asked, *(f"--sort {by}" for by in sort), *([f"--collapse {collapse}"] if collapse else [])])


def ask(binary, index, lines, file):
    """The answers to the lines of a batch, in one process on one thread."""
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    call = [str(binary), "query", str(index), "--batch", str(file), "--json", "--quiet", "--threads", "1"]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(call)}: exit {done.returncode}\n{done.stdout[-400:]}{done.stderr.strip()}")
    return [json.loads(answer) for answer in done.stdout.splitlines()]


def value(document, field, last):
    """The value of a document that counts for a field: the least of several, or the greatest."""
    found = document.get(field.removesuffix("_exact"))
    found = [one for one in (found if isinstance(found, list) else [found]) if one is not None]
    # Strings by their bytes: code points have the same order.
    return None if not found else max(found) if last else min(found)


def ordered(documents, ids, sort):
    """Ids in the order of the fields; missing values last, ties by id."""
    ids = sorted(ids)
    for by in reversed(sort):
        field, _, direction = by.partition(":")
        last = direction == "desc"
        values = {one: value(documents[one], field, last) for one in ids}
        known = sorted((one for one in ids if values[one] is not None), key=values.get, reverse=last)
        ids = known + [one for one in ids if values[one] is None]
    return ids


def collapsed(documents, ids, field):
    """The first id of each value with the number of others, in order."""
    first, out = {}, []
    for one in ids:
        own = value(documents[one], field, False)
        if own is not None and own in first:
            first[own][1] += 1
            continue
        out.append([one, 0])
        if own is not None:
            first[own] = out[-1]
    return out


def expected(documents, ranked, sort, collapse, k, offset):
    """Hits as the engine should give them: id, sort values, number of others."""
    ids = ordered(documents, ranked, sort) if sort else ranked
    found = collapsed(documents, ids, collapse) if collapse else [[one, None] for one in ids]
    fields = [(by.partition(":")[0], by.endswith(":desc")) for by in sort]
    return [
        (one, [value(documents[one], *field) for field in fields], others) for one, others in found[offset : offset + k]
    ]


def compare(binary, index, documents, folder):
    """How many answers were compared; those that differ end the run."""
    file = folder / "lines.jsonl"
    restrictions = list({json.dumps(case[0]): case[0] for case in CASES}.values())
    plain = ask(binary, index, [line(one, [], None, k=len(documents)) for one in restrictions], file)
    ranked = {json.dumps(one): [hit["id"] for hit in answer["hits"]] for one, answer in zip(restrictions, plain)}
    if set(ranked[json.dumps(CASES[0][0])]) != set(documents):
        raise SystemExit("the index and the file have different documents")
    asked = [(case, page) for case in CASES for page in PAGES]
    answers = ask(binary, index, [line(*case, k=k, offset=offset) for case, (k, offset) in asked], file)
    differ = 0
    for (case, (k, offset)), answer in zip(asked, answers, strict=True):
        restriction, sort, collapse = case
        want = expected(documents, ranked[json.dumps(restriction)], sort, collapse, k, offset)
        got = [(hit["id"], hit.get("sort", []), hit.get("collapsed")) for hit in answer["hits"]]
        if got != want:
            differ += 1
            print(f"differs: {name(*case)} -k {k} --offset {offset}\n  {got[:3]}\n  {want[:3]}", file=sys.stderr)
    if differ:
        raise SystemExit(f"{differ} of {len(asked)} answers differ from Python's")
    return len(asked)


def costs(binary, index, rounds, folder):
    """Milliseconds of a query and the ratio to the plain one, by case: medians over rounds."""
    kinds = []
    for case in COSTS:
        for kind in ((case[0], [], None), case):
            if kind not in kinds:
                kinds.append(kind)
    lines = [line(*kind) for _ in range(rounds) for kind in kinds for _ in range(BLOCK)]
    answers = ask(binary, index, lines, folder / "lines.jsonl")
    # Every line of a block has its share of the whole.
    took = [answer["took_ms"] for answer in answers[::BLOCK]]
    by_round = [dict(zip(map(json.dumps, kinds), took[at : at + len(kinds)])) for at in range(0, len(took), len(kinds))]
    out = []
    for case in COSTS:
        own, plain = json.dumps(case), json.dumps((case[0], [], None))
        ratio = median(one[own] / one[plain] for one in by_round)
        millis = [median(one[key] for one in by_round) for key in (own, plain)]
        out.append({"query": name(*case), "ms": millis[0], "plain_ms": millis[1], "ratio": ratio})
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of what is made once")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/measured/uncsm-index", help="default: that of `cargo build --profile measured`")
    parser.add_argument("--bundle", type=Path, help="a bundle in place of one that is trained here")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="writes all figures here, too")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    bundle = args.bundle or prepare.bundle(args.binary, DATA, args.work)
    features, docs = prepare.corpus(DATA, args.work, None, 42)
    index = args.work / "sorted-index"
    prepare.index(args.binary, bundle, features, docs, index)
    with open(docs, encoding="utf-8") as file:
        documents = {document["id"]: document for document in map(json.loads, file)}
    answers = compare(args.binary, index, documents, args.work)
    print(f"{answers} answers on {len(documents)} documents: equal to Python's")
    figures = costs(args.binary, index, args.rounds, args.work)
    print("\n| query | ms | plain, ms | ratio |\n|---|---|---|---|")
    for one in figures:
        print(f"| {one['query']} | {one['ms']:.2f} | {one['plain_ms']:.2f} | {one['ratio']:.2f} |")
    if args.out:
        args.out.write_text(json.dumps({"documents": len(documents), "answers": answers, "costs": figures}), encoding="utf-8")


if __name__ == "__main__":
    main()
