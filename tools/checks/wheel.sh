#!/bin/sh
# The Python package from the wheel up: builds it, installs it into a fresh environment, runs its tests, its README and its example
# there. wheel.sh [--dev]: `--dev` builds in the dev profile, which shares what `cargo test` has compiled.
# Needs python3 with venv, and pip the package index.
set -eu

cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
profile=--release
case "${1:-}" in
'') ;;
--dev) profile="--profile dev" ;;
*)
    echo "usage: wheel.sh [--dev]" >&2
    exit 2
    ;;
esac
venv=$(mktemp -d)
wheels=$(mktemp -d)
trap 'rm -rf "$venv" "$wheels"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet 'maturin>=1.9,<2' numpy pillow 'pyarrow>=14' pytest safetensors
# shellcheck disable=SC2086
CARGO_TARGET_DIR=$target PYO3_PYTHON=$venv/bin/python "$venv/bin/maturin" build $profile --locked -m tools/python/Cargo.toml --out "$wheels"
"$venv/bin/pip" install --quiet --no-index "$wheels"/*.whl
# From elsewhere: the package is the installed one, not the folder.
cd "$wheels"
"$venv/bin/python" -m pytest -q -p no:cacheprovider "$OLDPWD/tools/python/tests"
