#!/bin/sh
# Whether two programs answer alike: same.sh OLD NEW [FOLDER]
#
# OLD writes the corpus, the bundle and the index of the demo into FOLDER (a fresh temporary one without it; one that has
# them is used as it is). Both programs answer a fixed set of queries over that index; answers must be equal but for
# `took_ms` and for keys that only NEW gives. With SAME_BUILD=1 both also train with one seed and build, and the bytes of the
# bundles and of the vectors are compared. All differences are told; it ends with 1 where there is one.
set -eu

old=$1 new=$2
if [ $# -gt 2 ]; then
    folder=$3
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
if [ ! -d "$folder/index" ]; then
    "$old" --quiet demo --dir "$folder" >/dev/null
fi
failed=0
index=$folder/index corpus=$folder/corpus.jsonl
picture=$(find "$folder" -name '*.png' | sort | head -n 1)
first=$(sed -n '1s/.*"id": *"\{0,1\}\([^",}]*\).*/\1/p' "$corpus")

cat >"$folder/batch.jsonl" <<END
{"text": "a big red circle", "k": 3}
{"text": ["a star", "a striped background"], "not_text": "blue", "keywords": "star", "fusion": "linear", "weight": ["keyword=2", "text[1]=0.5"], "explain": true}
{"image": "$picture", "media": "any", "items": true, "k": 4}
{"keywords": "(", "k": 3}
{"keyword": "red"}
{"filter": ["color_exact:red", "category_exact:star"], "facet": ["category", "color"], "k": 2}
{"like": "$first", "rrf_k": 10, "keywords": "red", "window": 20, "facets-over": "hits", "facet": "color"}
{"k": "many", "keywords": "red"}
7
END

# Runs one query in both programs, and compares what they say on stdout and stderr and how they end.
same() {
    for which in old new; do
        eval "program=\$$which"
        code=0
        "$program" --json query "$index" "$@" >"$folder/$which.out" 2>"$folder/$which.err" || code=$?
        echo "$code" >"$folder/$which.code"
    done
    python3 - "$folder" "$*" <<'END' || failed=1
import json, pathlib, sys

folder, asked = pathlib.Path(sys.argv[1]), sys.argv[2]
NEW_KEYS = {"calibrated_logit"}
# Errors say the same; their words may change.
WORDS = {"message", "hint", "expected", "got"}

def plain(value):
    if isinstance(value, dict):
        left_out = NEW_KEYS | {"took_ms"} | (WORDS if "code" in value else set())
        return {key: plain(inner) for key, inner in value.items() if key not in left_out}
    return [plain(inner) for inner in value] if isinstance(value, list) else value

def said(which):
    lines = lambda end: [plain(json.loads(line)) for line in (folder / f"{which}.{end}").read_text().splitlines()]
    return (folder / f"{which}.code").read_text(), lines("out"), lines("err")

old, new = said("old"), said("new")
if old != new:
    print(f"different: query {asked}\n  old {json.dumps(old)[:2000]}\n  new {json.dumps(new)[:2000]}")
    sys.exit(1)
print(f"same: query {asked}")
END
}

same --keywords '+star +striped'
same --keywords 'red OR blue' --snippet text --facet category --explain -k 5
same --filter 'color_exact:red' -k 20
same --filter 'color_exact:red' --filter 'category_exact:star' --facet color -k 3 --offset 1
same --text 'a big red circle on the left' --explain
same --text 'a star' --target both --min-probability 0.2 --prior 0.1
same --text 'a star' --similarity cosine --media any --items
same --text 'a star' --similarity posterior
same --image "$picture" --target pair
same --image "$picture" --not-text 'a red circle' --weight not-text=0.5
same --like "$first" --media any -k 30
for fusion in rrf linear product metric learned; do
    same --image "$picture" --keywords 'red star' --fusion "$fusion" --explain -k 8
done
for scale in min-max z-score probability; do
    same --text 'a star' --keywords red --fusion linear --normalise "$scale" --weight keyword=0.3
done
same --keywords red --aggregations '{"c":{"terms":{"field":"color_exact"}}}' -k 1
same --keywords 'nope:red'
same --keywords 'nosuchword'
same --like nobody
same --text 'a star' --time-budget 0
same --batch "$folder/batch.jsonl"

if [ "${SAME_BUILD:-0}" = 1 ]; then
    for which in old new; do
        eval "program=\$$which"
        rm -rf "$folder/$which.bundle" "$folder/$which.index"
        "$program" --quiet --seed 7 --threads 1 train "$corpus" --label category --out "$folder/$which.bundle" >/dev/null
        "$program" --quiet build "$corpus" --bundle "$folder/old.bundle" --out "$folder/$which.index" >/dev/null
        (cd "$folder/$which.bundle" && find . -type f | sort | xargs sha256sum) >"$folder/$which.bytes"
        find "$folder/$which.index" -name '*.uvec' -exec sha256sum {} + | cut -d' ' -f1 | sort >>"$folder/$which.bytes"
    done
    if diff "$folder/old.bytes" "$folder/new.bytes"; then
        echo 'same: bytes of bundle and vectors'
    else
        echo 'different: bytes of bundle or vectors'
        failed=1
    fi
fi
exit "$failed"
