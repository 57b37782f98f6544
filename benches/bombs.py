#!/usr/bin/env python3
"""Peak memory and seconds of files that are small and ask for much.

    python3 benches/bombs.py [NAME...]        (PROFILE=release for the release build; KEEP=DIR keeps the files)

Makes each file, runs `uncsm-index` on it, and prints: name, kilobytes of the file, peak megabytes of the process, seconds, exit
code, and what it said. Needs Python alone; the Parquet files are written by `tools/examples/bombs_parquet.rs`.
"""

import json
import os
import pathlib
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROFILE = os.environ.get("PROFILE", "dev")
TARGET = ROOT / "target" / ("debug" if PROFILE == "dev" else PROFILE)
MEGABYTE = 1 << 20


def png(width, height, chunks=(), row=None):
    """A PNG of plain grey; `chunks` stand before the pixels. Packed in pieces, so that this process stays small."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(9)
    row = b"\0" + b"\x80" * width if row is None else row
    pieces = []
    block = row * max(1, MEGABYTE // len(row))
    left = height
    while left > 0:
        lines = min(left, len(block) // len(row))
        pieces.append(packer.compress(block[: lines * len(row)]))
        left -= lines
    pieces.append(packer.flush())
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header)]
    parts += [chunk(kind, body) for kind, body in chunks]
    parts += [chunk(b"IDAT", b"".join(pieces)), chunk(b"IEND", b"")]
    return b"".join(parts)


def packed_zeros(size):
    packer = zlib.compressobj(9)
    block = b"0" * MEGABYTE
    return b"".join([packer.compress(block) for _ in range(size // MEGABYTE)] + [packer.flush()])


def tiff_tile():
    """10 x 10 pixels in one tile of 65,536 x 65,536, packed."""
    entries = [
        (256, 3, 10), (257, 3, 10), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1),
        (322, 4, 65536), (323, 4, 65536), (324, 4, 8 + 2 + 12 * 10 + 4), (325, 4, 0),
    ]
    data = zlib.compress(b"\0" * (8 * MEGABYTE), 9)
    entries[-1] = (325, 4, len(data))
    out = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries))
    for tag, kind, value in entries:
        out += struct.pack("<HHII", tag, kind, 1, value)
    return out + struct.pack("<I", 0) + data


def gif_frame():
    """A canvas of 1 x 1 with a frame of 65,535 x 65,535."""
    screen = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\0;"
    return screen + frame


def webp_claim():
    """An EXIF chunk that claims 4 GB."""
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x08" + bytes(9) + b"EXIF" + struct.pack("<I", 0xFFFFFF00) + b"II"
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp_sizes():
    return b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0)


def jpeg_scans():
    """A JPEG of 20,000 scans."""
    return b"\xff\xd8" + b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0\x55" * 20000 + b"\xff\xd9"


def bundle_targets(bundle, out, times):
    """The bundle with its targets named a million times."""
    out.mkdir()
    config = json.loads((bundle / "config.json").read_text())
    config["targets"] = config["targets"] * times
    (out / "config.json").write_text(json.dumps(config, indent=0, separators=(",", ":")))
    (out / "model.safetensors").write_bytes((bundle / "model.safetensors").read_bytes())


def run(args, stdin=None):
    """Peak resident megabytes, seconds, exit code and the last line that a command says."""
    read, write = os.pipe()
    start = time.time()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.execv(args[0], args)
    os.close(write)
    with os.fdopen(read, errors="replace") as pipe:
        said = pipe.read()
    _, status, used = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    lines = [line for line in said.splitlines() if line.strip()]
    return used.ru_maxrss / 1024, time.time() - start, code, lines[-1] if lines else ""


def main():
    wanted = set(sys.argv[1:])
    quiet = ["cargo", "build", "--quiet", "--profile", PROFILE, "-p", "uncsm-index-cli", "--bin", "uncsm-index"]
    if "NO_BUILD" not in os.environ:
        subprocess.run(quiet + ["--example", "bombs_parquet"], cwd=ROOT, check=True)
    binary = str(TARGET / "uncsm-index")
    keep = os.environ.get("KEEP")
    holder = None if keep else tempfile.TemporaryDirectory()
    work = pathlib.Path(keep or holder.name)
    work.mkdir(parents=True, exist_ok=True)

    small = work / "small.jsonl"
    lines = []
    for number in range(150):
        level, side = number % 5, 8 + number % 11
        line = b"\0" + bytes([40 + 40 * level]) * side + b"\xf0" * (32 - side)
        (work / f"s{number}.png").write_bytes(png(32, 32, row=line))
        text = f"a square of level {level}, number {number}"
        lines.append(json.dumps({"id": number, "text": text, "image": f"s{number}.png", "color": f"grey{level}"}))
    small.write_text("\n".join(lines) + "\n")
    (work / "train.toml").write_text(
        "dim = 32\nhidden = 64\nhalf = 16\nleast_steps = 0\nepochs_contrastive = 2\n"
        'epochs_double_triplet = 1\nepochs_metric = 1\nrefit = "off"\n'
    )
    bundle = work / "bundle"
    if not bundle.exists():
        train = [binary, "train", small, "--label", "color", "--config", work / "train.toml", "--out", bundle, "--quiet"]
        subprocess.run(train, check=True, stdout=subprocess.DEVNULL)

    def corpus(name, lines):
        path = work / f"{name}.jsonl"
        path.write_text("\n".join(lines) + "\n")
        return path

    def picture(name, content):
        path = work / name
        path.write_bytes(content)
        stem = name.replace(".", "-")
        return path, corpus(stem, ['{"id":1,"text":"a","image":"%s"}' % name, '{"id":2,"text":"b"}'])

    made = {}

    def bomb(name, path, *args):
        made[name] = (path, [binary, *map(str, args)])

    def build(name, path, source, *more):
        bomb(name, path, "build", source, "--bundle", bundle, "--out", work / f"index-{name}", "--quiet", *more)

    def pictures(name, content, *more):
        build(name, *picture(name, content), *more)

    bombs = {
        "png-side": lambda n: pictures(f"{n}.png", png(1, 49_000_000)),
        "png-wide": lambda n: pictures(f"{n}.png", png(49_000_000, 1)),
        "png-side-limit": lambda n: pictures(f"{n}.png", png(1, 262_144)),
        "png-60-megapixels": lambda n: pictures(f"{n}.png", png(10_000, 6_000), "--max-pixels", "60000000"),
        "png-ztxt": lambda n: pictures(f"{n}.png", png(10, 10, [(b"zTXt", b"a\0\0" + packed_zeros(2 << 30))])),
        "png-itxt": lambda n: pictures(f"{n}.png", png(10, 10, [(b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0" + packed_zeros(1 << 30))])),
        "png-iccp": lambda n: pictures(f"{n}.png", png(10, 10, [(b"iCCP", b"a\0\0" + packed_zeros(1 << 30))])),
        "png-exif": lambda n: pictures(f"{n}.png", png(10, 10, [(b"eXIf", b"II" + bytes(40 << 20))])),
        "png-chunks": lambda n: pictures(f"{n}.png", png(10, 10, [(b"tEXt", b"a\0b")] * 1_000_000)),
        "tiff-tile": lambda n: pictures(f"{n}.tiff", tiff_tile()),
        "gif-frame": lambda n: pictures(f"{n}.gif", gif_frame()),
        "webp-claim": lambda n: pictures(f"{n}.webp", webp_claim()),
        "bmp-sizes": lambda n: pictures(f"{n}.bmp", bmp_sizes()),
        "jpeg-scans": lambda n: pictures(f"{n}.jpg", jpeg_scans()),
        "text-60-mb": lambda n: build(n, *[corpus(n, [json.dumps({"id": 1, "text": "word " * (12 << 20)}), '{"id":2,"text":"b"}'])] * 2),
        "text-8-mb": lambda n: build(n, *[corpus(n, [json.dumps({"id": 1, "text": "word " * (8 * MEGABYTE // 5)})])] * 2),
        "texts-8-mb-x-20": lambda n: build(n, *[corpus(n, [json.dumps({"id": i, "text": f"w{i} " * (8 * MEGABYTE // 8)}) for i in range(20)])] * 2),
        "values": lambda n: build(n, *[corpus(n, ['{"id":1,"a":[%s0]}' % ("0," * 20_000_000), '{"id":2,"text":"b"}'])] * 2),
        "items": lambda n: build(n, *[corpus(n, ['{"id":1,"texts":[%s"a"]}' % ('"a",' * 1_000_000), '{"id":2,"text":"b"}'])] * 2),
        "items-limit": lambda n: build(n, *[corpus(n, ['{"id":%d,"texts":[%s"a"]}' % (i, '"b",' * 16383) for i in range(4)])] * 2),
        "passages": lambda n: build(n, *[corpus(n, [json.dumps({"id": 1, "text": "w " * (4 << 20)}), '{"id":2,"text":"b"}'])] * 2, "--passages", "1"),
        "nesting": lambda n: build(n, *[corpus(n, ['{"id":1,"a":' + "[" * 1_000_000, '{"id":2,"text":"b"}'])] * 2),
        "line-200-mb": lambda n: build(n, *[corpus(n, ['{"id":1,"text":"' + "x" * (200 << 20) + '"}', '{"id":2,"text":"b"}'])] * 2),
        "threads": lambda n: bomb(n, small, "schema", small, "--threads", "100000"),
        "dim": lambda n: bomb(n, small, "train", small, "--dim", "60000", "--out", work / "bundle-dim"),
    }
    for kind in ["brotli-7-gb", "gzip-page", "dictionary", "prefixes", "list-run", "list-named", "schema-depth", "children", "footer"]:
        def parquet(n, kind=kind):
            path = work / f"{n}.parquet"
            subprocess.run([TARGET / "examples" / "bombs_parquet", kind, path], check=True)
            build(n, path, path)
        bombs[f"parquet-{kind}"] = parquet

    def targets(n):
        out = work / n
        bundle_targets(bundle, out, 500_000)
        bomb(n, out / "config.json", "inspect", out)

    def huge_k(n):
        index = work / "index-k"
        if not index.exists():
            subprocess.run([binary, "build", small, "--bundle", bundle, "--out", index, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        bomb(n, small, "query", index, "--text", "red", "-k", 10**18, "--offset", 10**18, "--window", 10**18, "--quiet", "--json")

    def query_depth(n):
        huge_k(n)
        bomb(n, small, "query", work / "index-k", "--keywords", "(" * 60_000 + "red" + ")" * 60_000, "--quiet")

    def header(n):
        path = work / "header.safetensors"
        names = ",".join('"t%07d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % i for i in range(1_400_000))
        path.write_bytes(struct.pack("<Q", len(names) + 2) + b"{" + names.encode() + b"}")
        bomb(n, path, "train", "--features", path, "--pathway", "image=t0000001", "--out", work / "bundle-header")

    bombs.update({"bundle-targets": targets, "k-10-18": huge_k, "query-depth": query_depth, "safetensors-header": header})

    print("| file | KB | peak MB | seconds | exit | says |\n|---|---|---|---|---|---|")
    for name, make in bombs.items():
        if wanted and name not in wanted:
            continue
        made.clear()
        make(name)
        (path, args), = made.values()
        peak, seconds, code, said = run(args)
        said = said.replace(str(work) + "/", "")
        said = said if len(said) < 150 else said[:147] + "..."
        print(f"| {name} | {path.stat().st_size // 1024} | {peak:.0f} | {seconds:.1f} | {code} | {said.replace('|', '/')} |", flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
