"""What studies of trained bundles share: their flags, and a table that is made in parts.

A study has variants, each a training and what is measured of it. A run (dataset, variant, seed) with the same features, settings and
binary is kept.
"""

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from features import data
from features.inner import inner
from run import ROOT, lock, log


def parser(doc):
    """The flags of every study."""
    out = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    out.add_argument("--data", type=Path, action="append", required=True, help="folder of datasets; may be repeated, the first that has one wins")
    out.add_argument("--out", type=Path, required=True, help="folder for the table")
    out.add_argument("--datasets", default=",".join(data.KNOWN), help="default: all")
    out.add_argument("--seeds", default="42,43,44")
    out.add_argument("--binary", type=Path, default=ROOT / "target/release/uncsm-index")
    out.add_argument("--threads", type=int, default=2)
    out.add_argument("--again", action="store_true", help="run what is there already, too")
    out.add_argument(
        "--inner", type=int, metavar="ROWS", help="leave test alone: of so many train rows (0: all) a quarter is held out, by the seed"
    )
    out.add_argument("--variants", help="some of them, separated by semicolons; default: all")
    return out


@dataclass
class Study:
    """`variants` are names with settings; `measure(args, dataset, variant, seed, bundle)` trains into the folder `bundle`, which does
    not exist, and gives what a run is to keep, with a line for the log as `said`; `summarise(runs)` and `markdown(results)` make the table."""

    stem: str
    variants: dict
    measure: Callable
    summarise: Callable
    markdown: Callable

    def settings_of(self, args, dataset, variant):
        """What a run depends on, beside its seed."""
        inner = {} if args.inner is None else {"inner": args.inner}
        return {"features": dataset.hash(), "binary": data.file_hash(args.binary), "config": self.variants[variant], **inner}

    def save(self, results, folder):
        """Writes the table as Markdown and JSON, each at once; returns the Markdown."""
        for result in results.values():
            result["runs"] = {variant: result["runs"][variant] for variant in self.variants if result["runs"].get(variant)}
            result["summary"] = {variant: self.summarise(runs) for variant, runs in result["runs"].items()}
        text = self.markdown(results)
        for file, content in ((f"{self.stem}.md", text), (f"{self.stem}.json", json.dumps(results, indent=1))):
            partial = folder / f"{file}.partial"
            partial.write_text(content, encoding="utf-8")
            partial.replace(folder / file)
        return text

    def run_one(self, args, dataset, variant, seed, settings):
        """The run of a variant and seed."""
        bundle = args.out / f"{dataset.name}-{slug(variant)}-{seed}.bundle"
        if bundle.exists():
            shutil.rmtree(bundle)
        found = self.measure(args, dataset, variant, seed, bundle)
        log(f"  {variant}, {seed}: {found.pop('said')}")
        return {"seed": seed, "settings": settings, **found}

    def run_dataset(self, args, dataset, result, results):
        """Runs what is not there yet; runs of other settings than the present ones are dropped, so that a table is of one binary and of the same rows."""
        for variant in self.variants:
            settings = self.settings_of(args, dataset, variant)
            result["runs"][variant] = [run for run in result["runs"].get(variant, []) if run["settings"] == settings]
        inner_of = {seed: dataset if args.inner is None else inner(dataset, seed, args.out, args.inner) for seed in args.seeds}
        for variant in args.variants:
            settings, runs = self.settings_of(args, dataset, variant), result["runs"].get(variant, [])
            for seed in args.seeds:
                if not args.again and any(run["seed"] == seed for run in runs):
                    log(f"  {variant}, {seed}: kept")
                    continue
                runs = [run for run in runs if run["seed"] != seed] + [self.run_one(args, inner_of[seed], variant, seed, settings)]
                runs.sort(key=lambda run: run["seed"])
                result["runs"][variant] = runs
                self.save(results, args.out)
            result["runs"][variant] = runs

    def main(self, flags):
        """Runs the study that the command line asks for, and prints its table."""
        args = flags.parse_args()
        args.datasets, args.seeds = args.datasets.split(","), [int(seed) for seed in args.seeds.split(",")]
        for name in args.datasets:
            if name not in data.KNOWN:
                flags.error(f"unknown name {name!r}; expected some of {', '.join(data.KNOWN)}")
        known = {str(variant): variant for variant in self.variants}
        wanted = list(known) if args.variants is None else args.variants.split(";")
        for name in wanted:
            if name not in known:
                flags.error(f"unknown variant {name!r}; expected some of {'; '.join(known)}")
        args.variants = [known[name] for name in wanted]
        if not args.binary.exists():
            flags.error(f"no binary at {args.binary}: build it, or name one with --binary")
        args.out.mkdir(parents=True, exist_ok=True)
        with lock(args.out):
            stored = args.out / f"{self.stem}.json"
            results = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
            for name in args.datasets:
                dataset = data.load(name, args.data, args.binary)
                log(f"{name}: {len(dataset.train)} train rows, {len(dataset.test)} test rows")
                result = results.setdefault(name, {"runs": {}})
                result["features"] = dataset.features
                self.run_dataset(args, dataset, result, results)
            print(self.save(results, args.out))


def slug(variant):
    """A name for files."""
    return "-".join("".join(c if c.isalnum() else " " for c in str(variant)).split())
