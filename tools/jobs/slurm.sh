#!/bin/bash
#SBATCH --job-name=uncsm-shards
#SBATCH --array=0-63%16
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#SBATCH --output=%x-%A_%a.log
# An index of 64 shards by a Slurm array: the number of the task is the number of the shard. README.md says what to change.
#
#   ./slurm.sh schema
#   shards=$(sbatch --parsable slurm.sh)
#   sbatch --dependency=afterok:$shards --array=0 --cpus-per-task=8 --mem=8G slurm.sh merge
#   sbatch slurm.sh features         # instead: fills the cache that `train --features-cache` and later builds read
#
# A shard that fails says so in its log, and the others finish; `afterok` then holds the merge back. Mend the cause, and submit the
# same again: what is complete says so and ends at once, what was stopped goes on from its last commit.
set -euo pipefail

SHARDS=${UNCSM_SHARDS:-64}
DATA=${UNCSM_JOB:-/shared/job}
THREADS=${SLURM_CPUS_PER_TASK:-4}
SHARD=${SLURM_ARRAY_TASK_ID:-0}

# In the background, so that a signal of Slurm is handed on at once: `build` then commits what it has.
run() {
    "$@" &
    local child=$!
    trap 'kill -TERM "$child" 2>/dev/null || true' TERM
    local code=0
    wait "$child" || code=$?
    # The signal ends the first wait; the second is for the child's own end.
    if kill -0 "$child" 2>/dev/null; then
        code=0
        wait "$child" || code=$?
    fi
    return "$code"
}

case ${1:-shard} in
schema)
    uncsm-index schema "$DATA/corpus.jsonl" --quiet > "$DATA/schema.toml.new"
    mv "$DATA/schema.toml.new" "$DATA/schema.toml"
    ;;
shard)
    run uncsm-index build "$DATA/corpus.jsonl" --bundle "$DATA/my.bundle" --schema "$DATA/schema.toml" \
        --shard "$SHARD/$SHARDS" --out "$DATA/shards/shard-$SHARD" --no-cells --threads "$THREADS" --json --quiet
    ;;
merge)
    run uncsm-index merge "$DATA/my.index" "$DATA"/shards/shard-* --threads "$THREADS" --json --quiet
    ;;
features)
    # What is wanted is the cache: the file goes with the task.
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    run uncsm-index features "$DATA/parts/part-$SHARD.jsonl" --features-cache "$DATA/features-cache" \
        --encoder "text=$DATA/encoders/all-MiniLM-L6-v2" --encoder "image=$DATA/encoders/efficientnet-lite0" \
        --out "$scratch/features.safetensors" --threads "$THREADS" --json --quiet
    ;;
*)
    echo "usage: slurm.sh [schema|shard|merge|features]" >&2
    exit 2
    ;;
esac
