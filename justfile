# Slow checks, none of which `cargo test` runs. `just --list` shows them; ARCHITECTURE.md, "Slow checks", says what each shows.
# Those that need data read the folder UNCSM_DATA.

# Everything that must hold before a change lands.
ci:
    .ci/run

# Tests that take minutes: the demo as a newcomer has it, kills, resumes, readers beside a writer, damage, filters.
slow: demo kills readers damage filters

demo:
    cargo test --test cli pictures::demo -- --ignored

kills:
    UNCSM_KILLS=60 cargo test --test cli a_killed_build
    UNCSM_KILLS=24 cargo test --test cli resume

readers:
    UNCSM_READS=10000 cargo test --test cli beside
    UNCSM_SEARCHES=100000 cargo test --test library held

damage:
    UNCSM_FLIPS=2000 cargo test --test flips damage_anywhere
    UNCSM_FLIPS=286 cargo test --test cli flips

filters:
    UNCSM_FILTERS=100000 cargo test --test library filters

# The page of `serve` in a browser, at two widths, and its limits of time: needs Python with Playwright and Pillow, and Chromium.
page:
    cargo build
    python3 tools/serve-tests/run.py
    cargo test --test cli serve -- --ignored

# 10,000 requests, 8 at a time, against an index.
load index:
    cargo build
    python3 tools/serve-tests/load.py {{index}}

# Peak memory and seconds of small files that ask for much, and of builds.
bombs:
    python3 benches/bombs.py

memory:
    benches/memory.sh 10000 100000

# Speed of queries and of pathways, in the profile of the tests.
latency:
    cargo bench --profile dev --bench latency

pathways:
    cargo bench --profile dev --bench pathway

# Recall and microseconds beside vector libraries, LanceDB and tantivy; `work` keeps the bundle and the indexes.
peers work rows="60004":
    python3 benches/peers/run.py --work {{work}} --rows {{rows}}

# Merges of parts: seconds, memory, recall, beside building in one go; `work` keeps what is made.
merges work:
    cargo build --release --bin uncsm-index
    python3 benches/shards/merge.py --work {{work}}

# Quality beside ten baselines, ablation, forms of heads, quality by stored bytes, reliability of probabilities, relevance of hybrid queries.
quality data out:
    python3 benches/quality/run.py --data {{data}} --out {{out}}

ablation data out:
    python3 benches/quality/ablation.py --data {{data}} --out {{out}}

heads data out:
    python3 benches/quality/heads.py --data {{data}} --out {{out}}

bytes data out:
    python3 benches/quality/bytes.py --data {{data}} --out {{out}}

reliability data out:
    python3 benches/quality/reliability.py --data {{data}} --out {{out}}

relevance data out:
    python3 benches/relevance/run.py --data {{data}} --out {{out}}

# The Python package: a wheel in target/wheels (pip install maturin); and the same with all its tests in a fresh environment.
wheel:
    maturin build --release --locked -m tools/python/Cargo.toml --out target/wheels

python:
    tools/checks/wheel.sh

# Shards by Dask and Ray: tests of the drivers, then jobs whose workers are killed, compared with one build
# (pip install -r tools/jobs/requirements-dask.txt -r tools/jobs/requirements-ray.txt). `jobs-real` reads UNCSM_DATA and UNCSM_ENCODERS.
jobs work:
    cd tools/jobs && python3 -m unittest
    python3 tools/jobs/check.py dask --work {{work}}/dask
    python3 tools/jobs/check.py ray --work {{work}}/ray

jobs-real work:
    python3 tools/jobs/check_real.py --work {{work}}

# Two binaries give the same bundle, rows and answers.
same old new:
    tools/checks/same.sh {{old}} {{new}}

# The README's two commands share every compiled dependency: the second call must compile crates of this repository alone.
shared:
    cargo build
    said=$(cargo test --no-run 2>&1) || { printf '%s\n' "$said" >&2; exit 1; }; \
    ! printf '%s\n' "$said" | grep Compiling | grep -v uncsm-

# After a wanted change of the public names.
bless:
    UNCSM_BLESS=1 cargo test --test architecture public

# What the three crates would publish: metadata, licences, lists of files, settings of docs.rs, sizes. Compiles nothing;
# `just package --verify` compiles each archive against the others (cargo 1.90 or newer, as long as a build from cold).
package *options:
    tools/checks/package.py {{options}}

# Manual pages and completions, for those who package the binary.
extras dir:
    mkdir -p {{dir}}
    cargo run --quiet -- man {{dir}}/man1
    for shell in bash zsh fish; do cargo run --quiet -- completions $shell > {{dir}}/uncsm-index.$shell; done

# Fetching encoders from a server on loopback.
hub:
    cargo test --features hub --test library hub

# Training without encoders with weights, and the other way round: each compiles most dependencies again.
features:
    cargo check --lib --no-default-features --features train --locked
    cargo check --lib --no-default-features --features encoders --locked

# Licences, advisories and sources of dependencies (cargo install cargo-deny).
deny:
    cargo deny check

# What changed in the public items since a release (cargo install cargo-semver-checks).
semver base:
    cargo semver-checks --baseline-rev {{base}}
