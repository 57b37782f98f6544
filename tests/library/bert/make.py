#!/usr/bin/env python3
"""Makes the tiny random checkpoint in tests/library/bert/tiny and the expected features in tests/library/bert/expected.json.

    pip install torch==2.15.0 transformers==5.24.0 tokenizers==0.23.3 safetensors==0.8.0 numpy==2.4.6
    python3 tests/library/bert/make.py

The features are those of transformers' BertModel on one text at a time, pooled as sentence-transformers does, for each
pooling and activation. The weights are random, with a fixed seed; the files are in the published layout.
"""
import json
import pathlib
import shutil

import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel

HERE = pathlib.Path(__file__).parent
TINY = HERE / "tiny"
MAX_TOKENS = 12
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = ["s", "ing", "ed", "ly", "er", "1", "2", "un"]
WORDS = "a the red blue green square circle draw dog cat run jump on under with , . ! 1 2 3".split()
TEXTS = [
    "a red square",
    "The dog jumps on a GREEN circle.",
    "draw, draw, draw!",
    "cat",
    "",
    " \t\n ",
    "an unknown word 12",
    "Réd bluely drawing",
    "the cat runs under the red square with a blue dog, and jumps on the green circle with the dog.",
    "红 cat\u0000 dog",
]


def tokenizer():
    vocabulary = SPECIAL + sorted(WORDS) + ["##" + piece for piece in PIECES]
    ids = {token: i for i, token in enumerate(vocabulary)}
    made = Tokenizer(WordPiece(ids, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    made.add_special_tokens(SPECIAL)
    # As published files do: settings of another use, which must not count.
    made.enable_truncation(max_length=5)
    made.enable_padding(length=7, pad_id=0, pad_token="[PAD]")
    return made


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=True) + "\n")


def pool(rows, pooling, normalize):
    vector = {"mean": rows.mean(0), "cls": rows[0], "max": rows.max(0).values}[pooling]
    return torch.nn.functional.normalize(vector, dim=0) if normalize else vector


def main():
    torch.manual_seed(20)
    shutil.rmtree(TINY, ignore_errors=True)
    made = tokenizer()
    config = BertConfig(
        vocab_size=made.get_vocab_size(), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=40, max_position_embeddings=20, initializer_range=0.5,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter += 0.3 * torch.randn_like(parameter)
    model.save_pretrained(TINY)
    written = json.loads((TINY / "config.json").read_text())
    assert written["model_type"] == "bert" and (TINY / "model.safetensors").exists()
    write(TINY / "config.json", {name: written[name] for name in sorted(written) if name != "dtype"})
    made.save(str(TINY / "tokenizer.json"), pretty=False)
    write(TINY / "sentence_bert_config.json", {"max_seq_length": MAX_TOKENS, "do_lower_case": False})
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    write(TINY / "modules.json", [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds)
    ])
    write(TINY / "1_Pooling" / "config.json", {
        "word_embedding_dimension": 16, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False,
    })

    made.no_padding()
    made.enable_truncation(max_length=MAX_TOKENS)
    cases = []
    for activation in ["gelu", "gelu_new", "relu"]:
        config.hidden_act = activation
        acting = BertModel(config, add_pooling_layer=False).eval()
        acting.load_state_dict(model.state_dict())
        for pooling, normalize in [("mean", True), ("mean", False), ("cls", False), ("max", True)]:
            features = []
            for text in TEXTS:
                ids = torch.tensor([made.encode(text).ids])
                with torch.no_grad():
                    rows = acting(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
                features.append([round(x, 7) for x in pool(rows, pooling, normalize).tolist()])
            cases.append({"activation": activation, "pooling": pooling, "normalize": normalize, "features": features})
    expected = {"texts": TEXTS, "cases": cases}
    (HERE / "expected.json").write_text(json.dumps(expected, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
