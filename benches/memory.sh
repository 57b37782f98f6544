#!/bin/sh
# Peak memory of `build` on Parquet corpora of generated rows: it must not grow with the rows.
#   benches/memory.sh [ROWS...]        (default 10000 100000; PROFILE=release for the release build)
# The peak holds what `--memory` gives to documents that are not yet in a segment (MEMORY, in MB), which small corpora
# do not fill: with a small one, the peaks are alike.
# Prints one line per corpus: rows, megabytes of the file, peak megabytes of the process, seconds.
set -eu
cd "$(dirname "$0")/.."
profile=${PROFILE:-dev}
memory=${MEMORY:-256}
[ $# -gt 0 ] || set -- 10000 100000
cargo build --quiet --profile "$profile" --bin uncsm-index --example generate_parquet
bin=target/$([ "$profile" = dev ] && echo debug || echo "$profile")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Peak resident kilobytes and seconds of a command, by GNU time or else by Python.
measured() {
    if /usr/bin/time -f '%M %e' true 2>/dev/null; then
        /usr/bin/time -o "$dir/measured" -f '%M %e' "$@" >/dev/null
    else
        python3 - "$dir/measured" "$@" <<'PY'
import resource, subprocess, sys, time
start = time.time()
subprocess.run(sys.argv[2:], check=True, stdout=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
open(sys.argv[1], "w").write(f"{peak} {time.time() - start:.1f}\n")
PY
    fi
}

"$bin/examples/generate_parquet" 2000 "$dir/small.parquet" 7
cat >"$dir/train.toml" <<'TOML'
dim = 32
hidden = 64
half = 16
least_steps = 0
epochs_contrastive = 3
epochs_double_triplet = 2
epochs_metric = 2
refit = "off"
TOML
"$bin/uncsm-index" train "$dir/small.parquet" --label color --config "$dir/train.toml" --out "$dir/bundle" --quiet >/dev/null
printf 'rows\tfile MB\tpeak MB\tseconds\n'
for rows in "$@"; do
    "$bin/examples/generate_parquet" "$rows" "$dir/$rows.parquet"
    measured "$bin/uncsm-index" build "$dir/$rows.parquet" --bundle "$dir/bundle" --out "$dir/index-$rows" \
        --memory "$memory" --quiet
    read -r peak seconds <"$dir/measured"
    bytes=$(wc -c <"$dir/$rows.parquet")
    printf '%s\t%s\t%s\t%s\n' "$rows" $((bytes / 1048576)) $((peak / 1024)) "$seconds"
    rm -rf "$dir/index-$rows" "$dir/$rows.parquet"
done
