"""Makes the tiny random checkpoints of CLIP and SigLIP, the pictures, and the embeddings that are expected of them.

    python3 tests/library/clip/make.py

Seed 5. Made with Python 3.11.7, torch 2.15.0, transformers 5.24.0, tokenizers 0.23.3, Pillow 13.0.0, numpy 2.4.6.
Needs no network: models come from config objects, and every weight is drawn here.
"""

import importlib.util
import json
import os
import sys
import types
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
# Only a function of the tokenizer's file that handles plain strings is used.
if importlib.util.find_spec("sentencepiece") is None:
    stub = types.ModuleType("sentencepiece")
    stub.__spec__ = importlib.util.spec_from_loader("sentencepiece", loader=None)
    sys.modules["sentencepiece"] = stub

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer, SiglipConfig, SiglipModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.siglip.tokenization_siglip import SiglipTokenizer

SEED = 5
HERE = Path(__file__).parent
CORPUS = [
    "a photo of a red cat on the mat", "the cat sat near the other cat", "a drawing of a blue house",
    "two green boats on a lake", "a photo of the house and the boat", "another red drawing",
]
TEXTS = [
    "a photo of a cat",
    "",
    "A  Red\tHouse, near the lake!",
    "Ünïcödé: 猫と家 — naïve café 🐈",
    "it's the cat's 12 boats; they'll float",
    "word " * 3 + "a long text about boats and cats and houses near another lake " * 12,
    "a red <|endoftext|> in the middle of the text",
    "x",
]


def draw_weights(model, generator):
    """Random weights that keep the signal: linear maps by fan-in, norms near 1; rounded to f16."""
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=generator)
        if "norm" in name and name.endswith("weight"):
            drawn = 1 + 0.2 * noise
        elif value.dim() < 2:
            drawn = 0.2 * noise
        elif "embedding" in name and "patch" not in name or "probe" in name:
            drawn = 0.7 * noise
        else:
            drawn = 2.0 * noise / value[0].numel() ** 0.5
        value.data = drawn.half().float()
    return model.eval()


def save(model, folder):
    """The published layout; weights in f16."""
    model.save_pretrained(folder)
    state = {name: value.half().contiguous() for name, value in model.state_dict().items() if "position_ids" not in name}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def pictures():
    """Small pictures of several shapes; file names by what they try."""
    rng = np.random.default_rng(SEED)
    y, x = np.mgrid[0:33, 0:61]
    wide = np.stack([x * 4, y * 7, (x + y) * 2], axis=-1)
    wide[8:20, 30:44] = [220, 30, 40]
    y, x = np.mgrid[0:90, 0:22]
    tall = np.stack([(x // 4 + y // 6) % 2 * 200, y * 2, 255 - x * 9], axis=-1)
    grey = Image.fromarray((x[:40] * 11).astype(np.uint8))
    y, x = np.mgrid[0:110, 0:84]
    large = np.stack([(x // 12 + y // 10) % 2 * 230, (x * 3) % 256, (y * 2) % 256], axis=-1)
    y, x = np.mgrid[0:78, 0:130]
    broad = np.stack([(x * 2) % 256, (x // 9 + y // 13) % 2 * 250, y * 3], axis=-1)
    out = {
        "large": Image.fromarray(large.astype(np.uint8)),
        "broad": Image.fromarray(broad.astype(np.uint8)),
        "wide": Image.fromarray(wide.astype(np.uint8)),
        "tall": Image.fromarray(tall.astype(np.uint8)),
        "exact": Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)),
        "tiny": Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)),
        "grey": grey,
    }
    folder = HERE / "pictures"
    folder.mkdir(exist_ok=True)
    for name, picture in out.items():
        picture.save(folder / f"{name}.png", optimize=True)
    return {name: Image.open(folder / f"{name}.png").convert("RGB") for name in out}


def rows_first(image, size):
    """The picture resized along its rows and then along its columns, or None where that is what one step gives.

    Pillow had this order for long; 13.0.0 takes the other one for some sizes, and a sample that is cut off at 0 or 255
    in between makes the order visible. A step along one side has no order.
    """
    steps = image.resize((size[0], image.height), Image.BICUBIC).resize(size, Image.BICUBIC)
    apart = np.asarray(steps).astype(int) - np.asarray(image.resize(size, Image.BICUBIC))
    return steps if np.abs(apart).max() > 1 else None


def shorter(image, side):
    """The size with a shorter edge of `side`."""
    width, height = image.size
    return (side, side * height // width) if width <= height else (side * width // height, side)


def seen_by(model, processor, images, size):
    """Per picture the embedding end to end, and that of the picture resized rows first where it differs."""
    def embed(image):
        return normalised(model.get_image_features(**processor(images=[image], return_tensors="pt")))

    out = {}
    for name, image in images.items():
        out[name] = {"file": f"{name}.png", "features": embed(image)}
        steps = rows_first(image, size(image))
        if steps is not None:
            out[name]["rows_first"] = embed(steps)
    return out


def normalised(output):
    row = getattr(output, "pooler_output", output)[0]
    return [round(float(v), 7) for v in row / row.norm()]


def spread(rows):
    """Items must differ by far more than a comparison by cosine allows."""
    rows = np.array(rows)
    cosine = rows @ rows.T
    most = np.max(cosine - 2 * np.eye(len(rows)))
    assert most < 0.995, cosine.round(3)


def clip_tokenizer():
    alphabet = list(pre_tokenizers.ByteLevel.alphabet())
    trained = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    trained.normalizer = normalizers.Lowercase()
    trained.pre_tokenizer = pre_tokenizers.Whitespace()
    trained.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=90, end_of_word_suffix="</w>"))
    merges = [tuple(m) for m in json.loads(trained.to_str())["model"]["merges"]]
    tokens = sorted(alphabet) + [c + "</w>" for c in sorted(alphabet)] + ["".join(m) for m in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    tokens = list(dict.fromkeys(tokens))
    vocab = {token: at for at, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)


def clip(images, generator):
    folder = HERE / "clip"
    folder.mkdir(exist_ok=True)
    tokenizer = clip_tokenizer()
    shared = {"intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16}
    config = CLIPConfig(
        text_config={**shared, "hidden_size": 12, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id,
                     "bos_token_id": tokenizer.bos_token_id},
        vision_config={**shared, "num_attention_heads": 4, "image_size": 32, "patch_size": 8},
        projection_dim=12,
    )
    model = draw_weights(CLIPModel(config), generator)
    save(model, folder)
    tokenizer.save_pretrained(folder)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    with torch.no_grad():
        texts = [
            normalised(model.get_text_features(**tokenizer([text], truncation=True, return_tensors="pt")))
            for text in TEXTS
        ]
        seen = seen_by(model, processor, images, lambda image: shorter(image, 36))
    return texts, seen


def siglip_tokenizer():
    """Words and letters with fixed scores: the trainer of this kind is not deterministic."""
    words = sorted({word for line in CORPUS for word in line.split()})
    letters = sorted(set("".join(words)) | set("xyzwé0123\u2581"))
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [("\u2581" + word, -4 - 0.01 * at) for at, word in enumerate(words) if len(word) > 1]
    pieces += [(letter, -8 - 0.01 * at) for at, letter in enumerate(letters)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return tokenizer


class Canonical:
    """What SiglipTokenizer does to a text, without the library that its vocabulary file needs."""

    do_lower_case = True
    remove_punctuation = SiglipTokenizer.remove_punctuation
    canonicalize_text = SiglipTokenizer.canonicalize_text


def siglip(images, generator):
    folder = HERE / "siglip"
    folder.mkdir(exist_ok=True)
    tokenizer = siglip_tokenizer()
    shared = {"intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 8}
    config = SiglipConfig(
        text_config={**shared, "vocab_size": tokenizer.get_vocab_size(), "max_position_embeddings": 24},
        vision_config={**shared, "image_size": 32, "patch_size": 8},
    )
    model = draw_weights(SiglipModel(config), generator)
    save(model, folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "SiglipTokenizer", "do_lower_case": True, "model_max_length": 24,
        "eos_token": "</s>", "pad_token": {"content": "</s>"}, "unk_token": "<unk>",
    }, indent=1))
    processor = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    eos, longest = tokenizer.token_to_id("</s>"), 24

    def ids(text):
        plain = Canonical().canonicalize_text(text)
        body = tokenizer.encode(plain, add_special_tokens=False).ids[: longest - 1]
        return torch.tensor([body + [eos] * (longest - len(body))])

    with torch.no_grad():
        texts = [normalised(model.get_text_features(input_ids=ids(text))) for text in TEXTS]
        seen = seen_by(model, processor, images, lambda image: (32, 32))
    return texts, seen


def main():
    generator = torch.Generator().manual_seed(SEED)
    torch.manual_seed(SEED)
    images = pictures()
    expected = {}
    for name, make in [("clip", clip), ("siglip", siglip)]:
        texts, seen = make(images, generator)
        spread(texts)
        spread([entry["features"] for entry in seen.values()])
        expected[name] = {
            "texts": [{"text": text, "features": row} for text, row in zip(TEXTS, texts)],
            "images": list(seen.values()),
        }
    lines = json.dumps(expected, ensure_ascii=False, indent=1)
    (HERE / "expected.json").write_text(lines + "\n")


main()
