#!/usr/bin/env python3
"""Whether the three crates can be published: packs them with cargo and looks into the archives.

    package.py [--verify] [--allow-dirty]

Without --verify nothing is compiled. With it, cargo compiles each archive against the others, as if they were published
(cargo 1.90 or newer; minutes, from cold). Ends with 1 and one line a fault.
"""

import argparse
import json
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 2_000_000
# What each archive must hold, and the folders and files beside that it may hold.
OF_CARGO = ["Cargo.toml", "Cargo.toml.orig", "Cargo.lock", ".cargo_vcs_info.json"]
CRATES = {
    "uncsm-format": (["src/lib.rs", "SPEC.md", "tests/golden/v0.uvec"], ["src/", "examples/", "python/", "tests/", "SPEC.md"]),
    "uncsm-index": (
        ["src/lib.rs", "README.md", "CHANGELOG.md", "docs/README.md", "examples/embed.rs"],
        ["src/", "examples/", "docs/", "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"],
    ),
    "uncsm-index-cli": (["src/main.rs", "README.md"], ["src/", "README.md"]),
}
LICENCES = ["LICENSE-APACHE", "LICENSE-MIT"]
METADATA = ["name", "version", "edition", "rust-version", "license", "description", "readme", "keywords", "categories", "documentation"]


def packed(metadata: dict, verify: bool, allow_dirty: bool) -> list[Path]:
    """Packs all; gives the archives."""
    command = ["cargo", "package", "--workspace", "--locked", "--quiet"]
    command += [] if verify else ["--no-verify"]
    command += ["--allow-dirty"] if allow_dirty else []
    subprocess.run(command, cwd=ROOT, check=True)
    folder = Path(metadata["target_directory"]) / "package"
    versions = {package["name"]: package["version"] for package in metadata["packages"]}
    return [folder / f"{name}-{versions[name]}.crate" for name in CRATES]


def faults(name: str, archive: Path) -> list[str]:
    """What is wrong with one archive."""
    out = []
    with tarfile.open(archive) as tar:
        members = {member.name.split("/", 1)[1]: member for member in tar.getmembers() if member.isfile()}
        manifest_file = tar.extractfile(members["Cargo.toml"])
        assert manifest_file is not None
        manifest = tomllib.load(manifest_file)
    needed, allowed = CRATES[name]
    out += [f"has no {file}" for file in [*needed, *LICENCES, *OF_CARGO[:2]] if file not in members]
    strangers = [
        file
        for file in members
        if file not in OF_CARGO + LICENCES and not any(file == a or (a.endswith("/") and file.startswith(a)) for a in allowed)
    ]
    out += [f"holds {file}, which is not on its list" for file in strangers]
    package = manifest["package"]
    out += [f"its manifest has no `{key}`" for key in METADATA if not package.get(key)]
    if package.get("license") != "MIT OR Apache-2.0":
        out.append(f"its licence is {package.get('license')!r}")
    if package.get("readme") and package["readme"] not in members:
        out.append(f"has no {package['readme']}, its readme")
    if len(package.get("keywords", [])) > 5 or len(package.get("categories", [])) > 5:
        out.append("has more than five keywords or categories")
    features = manifest.get("features", {})
    shown = package.get("metadata", {}).get("docs", {}).get("rs", {})
    out += [f"docs.rs builds with `{f}`, which is no feature" for f in shown.get("features", []) if f not in features]
    if name != "uncsm-index-cli" and not shown:
        out.append("does not say how docs.rs builds it")
    # A path or a patch would not hold for those who take the crate from the registry.
    for table in ("dependencies", "dev-dependencies", "build-dependencies"):
        for dependency, wanted in manifest.get(table, {}).items():
            if not isinstance(wanted, str) and ("path" in wanted or "git" in wanted or "version" not in wanted):
                out.append(f"{table}: `{dependency}` is not from the registry, or has no version")
    size = archive.stat().st_size
    if size > MOST_BYTES:
        out.append(f"is {size} bytes, more than {MOST_BYTES}")
    print(f"{name}: {len(members)} files, {size} bytes packed")
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verify", action="store_true", help="compile what was packed")
    parser.add_argument("--allow-dirty", action="store_true", help="pack what is not committed too")
    args = parser.parse_args()
    said = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1", "--locked"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )
    archives = packed(json.loads(said.stdout), args.verify, args.allow_dirty)
    wrong = [f"{name} {fault}" for name, archive in zip(CRATES, archives) for fault in faults(name, archive)]
    print("\n".join(wrong) if wrong else "all three can be published")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
