# %% [markdown]
# # A search by your own features
#
# Pictures become features in numpy, a model is trained on them, and an index is asked with a picture of PIL. Run it as a
# program, or cell by cell: `# %%` begins one in most editors. It needs `pillow` and `pyarrow`, and draws its own pictures.

# %%
import os
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from uncsm_index import Bundle, Index

place = Path(os.environ.get("OUT") or tempfile.mkdtemp())
rng = np.random.default_rng(7)

# %% [markdown]
# ## Pictures with sentences
# Discs, squares and bars in four colours, at random places.

# %%
COLOURS = {"red": (215, 40, 40), "green": (40, 165, 60), "blue": (45, 70, 215), "black": (20, 20, 20)}
SHAPES = ["disc", "square", "bar"]


def draw(colour: str, shape: str) -> Image.Image:
    picture = Image.new("RGB", (48, 48), "white")
    x, y, side = (int(n) for n in rng.integers([2, 2, 16], [18, 18, 26]))
    box = (x, y, x + side, y + (side if shape != "bar" else side // 4))
    pen = ImageDraw.Draw(picture)
    (pen.ellipse if shape == "disc" else pen.rectangle)(box, fill=COLOURS[colour])
    return picture


kinds = [(colour, shape) for colour in COLOURS for shape in SHAPES] * 20
pictures = [draw(*kind) for kind in kinds]
sentences = [f"a {colour} {shape}" if i % 2 else f"this {shape} is {colour}" for i, (colour, shape) in enumerate(kinds)]

# %% [markdown]
# ## Features
# Any function that makes an array will do: a network of yours, or as here, colours and edges of a small copy.


# %%
def see(picture: Image.Image) -> np.ndarray:
    pixels = np.asarray(picture.convert("RGB").resize((24, 24)), dtype=np.float32) / 255
    ink = 1 - pixels.min(axis=2)
    colour = (pixels * ink[..., None]).sum((0, 1)) / max(ink.sum(), 1)
    rows, columns = ink.sum(1), ink.sum(0)
    extent = [(rows > 1).sum(), (columns > 1).sum(), ink.sum() / 50]
    return np.concatenate([colour * 4, np.array(extent, np.float32) / 6, np.sort(rows)[::-1] / 8]).astype(np.float32)


VOCABULARY = sorted({word for sentence in sentences for word in sentence.split()})


def read(sentence: str) -> np.ndarray:
    words = sentence.split()
    return np.array([words.count(word) for word in VOCABULARY], dtype=np.float32)


features = {"image": np.stack([see(picture) for picture in pictures]), "text": np.stack([read(text) for text in sentences])}

# %% [markdown]
# ## Training
# Row i of both arrays is one document. `label` is optional: without it, the model learns from the pairs alone.

# %%
split = rng.choice(["train", "train", "train", "val", "test"], len(kinds)).tolist()
bundle = Bundle.train(
    features,
    label=[" ".join(kind) for kind in kinds],
    split=split,
    progress=lambda at: print(f"\r{at['stage']} {at['epoch']}/{at['epochs']}  ", end="", flush=True),
    dim=32,
    hidden=64,
    epochs_contrastive=20,
)
measured = bundle.evaluate(features, label=[" ".join(kind) for kind in kinds], split=split)
print(f"\nMAP on {measured['pairs']} held-out documents: {measured['map_all']['metric']['mean']:.3f}")

# %% [markdown]
# ## The index
# Documents are dicts, whose keys become fields.

# %%
documents = [
    {"id": f"p{i}", "text": sentence, "colour": colour, "shape": shape}
    for i, (sentence, (colour, shape)) in enumerate(zip(sentences, kinds))
]
index = Index.build(place / "shapes.index", bundle, documents=documents, features=features, force=True)
print(index.built["documents"], "documents,", index.built["items"])

# %% [markdown]
# ## Asking
# Functions given to `Index.open` encode what a query brings: here, a picture of PIL that the index has not seen.

# %%
index = Index.open(place / "shapes.index", encoders={"image": see, "text": read})
asked = draw("blue", "disc")
answer = index.query(image=asked, media="image", k=4)
for hit in answer["hits"]:
    print(f"{hit['rank']}. {hit['id']:>5}  {hit['probability']:.2f}  {hit['fields']['text']}")
print(sum(hit["fields"]["colour"] == "blue" for hit in answer["hits"]), "of", len(answer["hits"]), "hits are blue")

# %% [markdown]
# Words, filters and a picture in one query; and many queries at once, as a table.

# %%
hybrid = index.query(image=asked, keywords="bar", fusion="product", filter="colour:blue", k=2)
print([hit["fields"]["text"] for hit in hybrid["hits"]])

batch = index.batch([{"text": f"a {colour} square"} for colour in COLOURS], media="image", k=3)
table = pa.table(batch)
print(table.select(["query", "rank", "id", "probability", "field.colour"]).slice(0, 3).to_pylist())

# %% [markdown]
# The stored vectors are numpy arrays over the mapped file; nothing is copied.

# %%
for segment in index.vectors("image"):
    print(segment.vectors.shape, segment.vectors.dtype, segment.ids[:3])
