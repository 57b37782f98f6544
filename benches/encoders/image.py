"""Pictures side by side: this library against PyTorch, in numbers and in speed, in one run on two threads.

    python3 -m pip install -r benches/encoders/requirements.txt
    python3 benches/encoders/image.py [--data ../shared/data] [--pictures 428] [--rounds 7]

Both sides read the files, decode, fit the picture into 224 x 224 pixels on white (bicubic) and run EfficientNet-Lite0 with
the same weights. They take turns, round by round, so that a busy machine slows both; the ratio of two neighbouring rounds
is what counts. The first round of each side is not counted.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

THREADS = 2
os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(THREADS)

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from torch import nn  # noqa: E402

SIDE = 224
# Blocks, kernel size, stride of the first, expansion, channels out: the published Lite0.
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]


class Conv(nn.Sequential):
    """A convolution with TensorFlow's "SAME" padding, batch norm, and ReLU6 or nothing."""

    def __init__(self, channels, out, size, stride=1, groups=1, active=True):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, size, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=1e-3)
        self.size, self.stride, self.active = size, stride, active

    def forward(self, x):
        pad = []
        for side in (x.shape[3], x.shape[2]):
            total = max((-(-side // self.stride) - 1) * self.stride + self.size - side, 0)
            pad += [total // 2, total - total // 2]
        if any(pad):
            x = F.pad(x, pad)
        x = self.norm(self.conv(x)) if self.norm is not None else self.conv(x)
        return F.relu6(x, inplace=True) if self.active else x

    def fold(self):
        self.conv, self.norm = nn.utils.fusion.fuse_conv_bn_eval(self.conv, self.norm), None

    def load(self, weights, conv, norm):
        self.conv.weight.data = weights[f"{conv}.weight"]
        for part in ("weight", "bias", "running_mean", "running_var"):
            getattr(self.norm, part).data = weights[f"{norm}.{part}"]


class Block(nn.Module):
    def __init__(self, channels, out, size, stride, expand):
        super().__init__()
        wide = channels * expand
        self.expand = Conv(channels, wide, 1) if expand > 1 else None
        self.depthwise = Conv(wide, wide, size, stride, groups=wide)
        self.project = Conv(wide, out, 1, active=False)
        self.residual = stride == 1 and channels == out

    def forward(self, x):
        y = self.project(self.depthwise(x if self.expand is None else self.expand(x)))
        return x + y if self.residual else y


class Lite0(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.stem = Conv(3, 32, 3, 2)
        self.stem.load(weights, "_conv_stem", "_bn0")
        blocks, channels = [], 32
        for count, size, stride, expand, out in STAGES:
            for i in range(count):
                block = Block(channels, out, size, stride if i == 0 else 1, expand)
                name = f"_blocks.{len(blocks)}"
                for part, conv, norm in (("expand", "_expand_conv", "_bn0"), ("depthwise", "_depthwise_conv", "_bn1"), ("project", "_project_conv", "_bn2")):
                    layer = getattr(block, part)
                    if layer is not None:
                        layer.load(weights, f"{name}.{conv}", f"{name}.{norm}")
                blocks.append(block)
                channels = out
        self.blocks = nn.Sequential(*blocks)
        self.head = Conv(channels, 1280, 1)
        self.head.load(weights, "_conv_head", "_bn1")

    def forward(self, x):
        return self.head(self.blocks(self.stem(x))).mean((2, 3))

    def fold(self):
        for layer in list(self.modules()):
            if isinstance(layer, Conv):
                layer.fold()
        return self


def read(file):
    """The input of one file, as this library fits it."""
    with Image.open(file) as image:
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
            image = Image.alpha_composite(ground, image)
        image = image.convert("RGB")
    scale = SIDE / max(image.size)
    size = tuple(max(1, round(side * scale)) for side in image.size)
    canvas = Image.new("RGB", (SIDE, SIDE), (255, 255, 255))
    canvas.paste(image.resize(size, Image.BICUBIC), tuple((SIDE - side) // 2 for side in size))
    return torch.from_numpy(np.array(canvas))


def batch_of(samples):
    x = torch.stack(samples).permute(0, 3, 1, 2)
    return x.to(torch.float32, memory_format=torch.channels_last).sub_(127).div_(128)


class Torch:
    """Together: decoding on two threads, then the network on two. Apart: each of two threads does whole batches alone."""

    def __init__(self, model, batch, layout, apart):
        self.model, self.batch, self.layout, self.apart = model, batch, layout, apart

    def name(self):
        return f"batch {self.batch}, {str(self.layout)[6:]}, threads {'apart' if self.apart else 'together'}"

    @torch.inference_mode()
    def forward(self, samples):
        return self.model(batch_of(samples).contiguous(memory_format=self.layout))

    def features(self, files):
        batches = [files[start : start + self.batch] for start in range(0, len(files), self.batch)]
        if self.apart:
            with ThreadPoolExecutor(THREADS, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                return torch.cat(list(pool.map(lambda batch: self.forward(list(map(read, batch))), batches)))
        with ThreadPoolExecutor(THREADS) as pool:
            return torch.cat([self.forward(list(pool.map(read, batch))) for batch in batches])


def fastest(model, files):
    """What suits PyTorch best on this machine: batch size, memory layout, and how the two threads share the work."""
    best = None
    for layout in (torch.contiguous_format, torch.channels_last):
        model = model.to(memory_format=layout)
        for batch, apart in ((16, False), (32, False), (16, True), (32, True)):
            side = Torch(model, batch, layout, apart)
            times = []
            for _ in range(2):
                start = time.perf_counter()
                side.features(files)
                times.append(time.perf_counter() - start)
            if best is None or times[1] < best[0]:
                best = (times[1], side)
    side = best[1]
    side.model = model.to(memory_format=side.layout)
    return side


class Ours:
    """The benchmark binary, one round per line that it is sent."""

    def __init__(self, weights, files, out, rounds, command):
        self.list = tempfile.NamedTemporaryFile("w", suffix=".txt")
        self.list.write("\n".join(map(str, files)))
        self.list.flush()
        arguments = ["image", weights, self.list.name, out, rounds]
        self.process = subprocess.Popen([*command, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def round(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        while line := self.process.stdout.readline():
            if line.startswith("{"):
                return json.loads(line)["seconds"]
        sys.exit("the benchmark ended early")

    def close(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            sys.exit("the benchmark failed")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("UNCSM_DATA", "../shared/data")))
    parser.add_argument("--pictures", type=int, default=428)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--compared", type=int, default=50)
    parser.add_argument("--binary", help="the benchmark, if it is built already")
    options = parser.parse_args()
    command = [options.binary] if options.binary else ["cargo", "bench", "--quiet", "--profile", "dev", "--bench", "encoders", "--"]
    torch.set_num_threads(THREADS)
    weights = (options.data / "efficientnet-lite0.safetensors").resolve()
    every = sorted((options.data / "openclipart-mini/img").resolve().glob("*.png"))
    files = every[:: max(1, len(every) // options.pictures)][: options.pictures]
    model = Lite0(load_file(weights)).eval()

    # Numbers, against the network as published: batch norm by itself, one picture at a time.
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        step = max(1, len(files) // options.compared)
        some = files[::step][: options.compared]
        expected = torch.cat([model(batch_of([read(file)]).contiguous()) for file in some])
        out = Path(folder) / "features.safetensors"
        ours = Ours(weights, some, out, 1, command)
        ours.round()
        ours.close()
        got = load_file(out)["features"]
    cosine = F.cosine_similarity(got.double(), expected.double())
    print(json.dumps({"pictures": len(some), "min_cosine": round(cosine.min().item(), 7), "max_difference": (got - expected).abs().max().item()}))
    if cosine.min() < 0.9999:
        sys.exit("the features differ")

    # Speed. Folding the batch norms is fair: it is what one would do with PyTorch, too.
    torch_side = fastest(model.fold(), files[:128])
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(weights, files, Path(folder) / "features.safetensors", options.rounds + 1, command)
        pairs = []
        for _ in range(options.rounds + 1):
            start = time.perf_counter()
            torch_side.features(files)
            pairs.append((time.perf_counter() - start, ours.round()))
        ours.close()
    pairs = pairs[1:]
    ratios = sorted(theirs / mine for theirs, mine in pairs)
    print(json.dumps({
        "pictures": len(files),
        "torch": torch_side.name(),
        "torch_per_second": [round(len(files) / theirs, 1) for theirs, _ in pairs],
        "ours_per_second": [round(len(files) / mine, 1) for _, mine in pairs],
        "ratio_median": round(float(np.median(ratios)), 3),
        "ratio_from": round(ratios[0], 3),
        "ratio_to": round(ratios[-1], 3),
    }))


if __name__ == "__main__":
    main()
