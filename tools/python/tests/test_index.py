"""Indexes: built of documents, arrays and files; asked by words, sentences, pictures and features; changed."""

from __future__ import annotations

import datetime
import inspect
import io
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import SMALL, bag, documents, drawn, histogram, sentence

from uncsm_index import Batch, Bundle, Error, Index

ROOT = Path(__file__).resolve().parents[3]


def ids(answer):
    return [hit["id"] for hit in answer["hits"]]


def colours(answer):
    return [hit["fields"]["colour"] for hit in answer["hits"]]


def test_built_of_documents_and_arrays(index, bundle):
    assert (index.built["documents"], index.built["items"]) == (96, {"image": 96, "text": 96})
    assert (index.built["skipped"], index.built["warnings"], index.built["damaged"]) == ([], 0, [])
    assert len(index) == 96 and index.bundle.space == bundle.space
    about = index.inspect()
    # Documents of an app name no source.
    assert about["complete"] and about["documents"] == 96 and about["schema"]["side"]["type"] == "integer"
    assert index.verify() == {"ok": True, "damage": [], "unchecked": [], "notes": []}


def test_features_ask(index):
    answer = index.query(features={"text": bag("the blue square")}, media="image", k=5)
    assert len(answer["hits"]) == 5 and set(colours(answer)) == {"blue"}
    first = answer["hits"][0]
    assert set(first) >= {"rank", "id", "score", "probability", "legs", "items", "fields"}
    assert first["rank"] == 1 and 0 <= first["probability"] <= 1 and first["items"][0]["media"] == "image"
    assert type(first) is dict and type(first["fields"]["side"]) is int
    assert answer["took_ms"] > 0 and answer["scored"] == 96
    several = index.query(features={"text": np.stack([bag("the blue square"), bag("the red square")])}, k=3, explain=True)
    assert len(several["hits"][0]["items"]) == 2


def test_functions_encode_pictures_and_sentences(index):
    opened = Index.open(index.paths[0], encoders={"image": histogram, "text": bag})
    assert set(colours(opened.query(image=drawn(2), media="text", k=4))) == {"blue"}
    assert set(colours(opened.query(text=["the red square"], media="image", k=4))) == {"red"}
    both = opened.query(image=[drawn(1)], text="the green square", weight={"text": 0.5}, k=4)
    assert set(colours(both)) == {"green"}
    with pytest.raises(TypeError):
        opened.query(not_image=drawn(1), text="the green square")


def test_documents_with_pictures_in_memory(encoded, tmp_path):
    def rows():
        for i in range(24):
            out = io.BytesIO()
            drawn(i).save(out, "PNG")
            yield {"id": i, "text": sentence(i), "images": [drawn(i), out.getvalue()], "price": np.float64(i) / 4, "tags": ("a", "b")}

    index = Index.build(tmp_path / "index", encoded, documents=rows())
    assert (index.built["documents"], index.built["items"]) == (24, {"image": 48, "text": 24})
    assert index.built["warnings"] == 0
    for given in (drawn(5), rows_bytes(5), [drawn(5)]):
        answer = index.query(image=given, media="image", k=1, items=True)
        hit = answer["hits"][0]
        # Documents 5, 9 and so on are green squares; the nearest picture is its own.
        assert hit["items"][0]["media"] == "image" and hit["id"] == "5"
    assert hit["fields"]["price"] == 1.25 and hit["fields"]["tags"] == ["a", "b"]
    # Bytes are no field.
    assert "base64" not in str(hit["fields"])
    path = tmp_path / "asked.png"
    drawn(5).save(path)
    assert ids(index.query(image=path, media="image", k=1)) == ["5"]
    assert ids(index.query(image=str(path), not_text="a square", media="image", k=1)) != []


def rows_bytes(i):
    out = io.BytesIO()
    drawn(i).save(out, "PNG")
    return out.getvalue()


def test_a_named_encoder_encodes_queries_of_a_bundle_of_arrays(encoded, features, tmp_path):
    pictures = encoded.encode("image", [drawn(i) for i in range(96)])
    name = encoded.inspect()["media"]["image"]["encoder"]
    how = dict(split=[row["split"] for row in documents()], **SMALL)
    rows = {"image": pictures, "text": features["text"]}
    bundle = Bundle.train(rows, encoders={"image": name}, **how)
    index = Index.build(tmp_path / "index", bundle, documents=documents(), features=rows)
    assert set(colours(index.query(image=drawn(2), media="text", k=3))) == {"blue"}
    with pytest.raises(Error) as caught:
        Bundle.train(features, encoders={"image": name}, **how)
    assert (caught.value.code, caught.value.got) == ("bad_dimension", "64")
    # An encoder that is elsewhere is a name.
    other = Bundle.train(features, encoders={"image": "my-histogram"}, **how)
    assert other.inspect()["media"]["image"]["encoder"] == "my-histogram"


def test_pictures_of_pil_in_other_modes(encoded, tmp_path):
    index = Index.build(tmp_path / "index", encoded, documents=[{"id": 1, "text": "a square in red", "image": drawn(0)}])
    plain = index.query(image=drawn(0), media="image", k=1)["hits"][0]["score"]
    for mode in ("RGBA", "P", "CMYK", "HSV", "YCbCr"):
        assert index.query(image=drawn(0).convert(mode), k=1)["hits"], mode
    assert index.query(image=drawn(0).convert("RGBA"), media="image", k=1)["hits"][0]["score"] == plain
    with pytest.raises(TypeError):
        index.query(image=3)
    with pytest.raises(Error) as caught:
        index.query(image=b"no picture")
    assert caught.value.code == "bad_value"


def test_keywords_filters_facets_and_orders(index):
    answer = index.query(keywords="square", filter=["colour:red", "side:[14 TO 20]"], facet="colour", sort="side:desc", k=3)
    assert answer["facets"]["colour"] == [{"value": "red", "count": answer["matched"]}]
    sides = [hit["fields"]["side"] for hit in answer["hits"]]
    assert sides == sorted(sides, reverse=True) and max(sides) <= 20
    assert ids(index.query(words="the gren squ", prefix=True, typos=1, in_="text", k=2)) != []
    assert index.query(k=0, filter="colour:red", aggregations={"most": {"max": {"field": "side"}}})["aggregations"] == {"most": {"value": 23.0}}
    assert ids(index.query(like="d5", exclude=["d9", "d13"], media="any", k=2)) != []
    assert set(colours(index.query(like="d5", not_like=["d2", "d3"], media="image", k=3))) == {"green"}


def test_every_key_of_a_query_is_a_keyword(index):
    """`Index.query` names each key that the library has, and the library knows each that it names."""
    source = (ROOT / "src/search/spec/json.rs").read_text()
    keys = re.findall(r'"(\w+)"', source.split("const KEYS", 1)[1].split("];", 1)[0])
    assert len(keys) > 40
    named = {name.rstrip("_") for name, given in inspect.signature(Index.query).parameters.items() if given.kind == given.KEYWORD_ONLY}
    assert named == set(keys)
    with pytest.raises(Error) as caught:
        index.query(keyword="red")
    assert (caught.value.code, caught.value.hint) == ("bad_argument", "did you mean `keywords`?")
    with pytest.raises(Error) as caught:
        index.query(exact=True, recall=0.5, keywords="a")
    assert caught.value.code == "bad_argument"


def test_features_of_a_file(index, features, tmp_path):
    path = tmp_path / "f.safetensors"
    write_safetensors(path, features)
    answer = index.query(features=path, pathway="text=text", rows="2..3", media="image", k=3)
    assert ids(answer) == ids(index.query(features={"text": features["text"][2]}, media="image", k=3))
    built = Index.build(tmp_path / "other", index.bundle, features=path, pathway=["image=image", "text=text"])
    assert len(built) == 96 and built.inspect()["sources"] != {}


def write_safetensors(path, tensors):
    import json
    import struct

    head, body = {}, b""
    for name, rows in tensors.items():
        data = np.ascontiguousarray(rows, "<f4").tobytes()
        head[name] = {"dtype": "F32", "shape": list(rows.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def test_batches(index):
    asked = [
        {"features": {"text": bag("the red square")}, "media": "image"},
        {"keywords": "blue", "k": 3, "in": None},
        {"keywords": "((", "k": 3},
        {"features": {"image": histogram(drawn(3))}, "media": "text", "fields": "colour"},
    ]
    batch = index.batch(asked, k=2)
    assert isinstance(batch, Batch) and len(batch) == 4 and batch.failed == [2]
    assert [len(batch[at]["hits"]) for at in (0, 1, -1)] == [2, 3, 2]
    assert batch[1]["hits"] == index.query(keywords="blue", k=3)["hits"]
    assert batch[0]["hits"] == index.query(**asked[0], k=2)["hits"]
    with pytest.raises(Error) as caught:
        batch[2]
    assert caught.value.code == "bad_query"
    with pytest.raises(IndexError):
        batch[4]
    table = pa.table(batch)
    assert table.num_rows == 7 and table["query"].to_pylist() == [0, 0, 1, 1, 1, 3, 3]
    assert table.schema.field("score").type == pa.float32() and table.schema.field("field.side").type == pa.int64()
    hits = [hit for at in (0, 1, 3) for hit in batch[at]["hits"]]
    assert table["id"].to_pylist() == [hit["id"] for hit in hits]
    assert table["probability"].to_pylist() == [hit["probability"] for hit in hits]
    assert table["field.colour"].to_pylist() == [hit["fields"]["colour"] for hit in hits]
    assert table["field.side"].to_pylist()[-2:] == [None, None]
    assert table["keyword_rank"].to_pylist() == [None, None, 1, 2, 3, None, None]
    assert table["media_score"].to_pylist()[0] == hits[0]["legs"]["metric"]["score"]
    # A stream is read once, the batch as often as one likes.
    assert pa.table(batch) == table and pa.RecordBatchReader.from_stream(batch).read_all() == table
    assert pa.table(index.batch([])).num_rows == 0


def test_fields_of_several_types_in_a_table(bundle, features, tmp_path):
    rows = [{"id": 1, "mixed": 1, "flag": True, "share": 0.5, "many": ["a", "b"]}, {"id": 2, "mixed": 2.5, "share": 2.0}]
    index = Index.build(tmp_path / "index", bundle, documents=rows, features={media: values[:2] for media, values in features.items()})
    table = pa.table(index.batch([{"keywords": "*", "sort": "share"}]))
    assert table["field.mixed"].to_pylist() == [1.0, 2.5] and table["field.flag"].to_pylist() == [True, None]
    assert table["field.many"].to_pylist() == ['["a","b"]', None] and table["field.share"].to_pylist() == [0.5, 2.0]


def test_add_replaces_and_delete_removes(index, features):
    row = {"id": "d0", "text": "the grey square", "colour": "grey", "side": 1}
    report = index.add(documents=[row, {**row, "id": "new"}], features={media: rows[[3, 3]] for media, rows in features.items()})
    assert (report["documents"], report["warnings"], len(index)) == (2, 0, 97)
    assert sorted(ids(index.query(filter="side:1"))) == ["d0", "new"]
    assert index.delete("new", dry_run=True)["documents"] == 1 and len(index) == 97
    assert index.delete(["new", "nobody"]) == {"documents": 1, "unknown": ["nobody"], "damaged": [], "dry_run": False}
    assert len(index) == 96
    assert index.delete(filter=["colour:red", "side:<14"])["documents"] == index_count(index, "colour:red AND side:<14", 0)
    with pytest.raises(Error) as caught:
        index.delete(filter="side:*")
    assert caught.value.code == "bad_argument" and "`all`" in caught.value.hint
    assert index.delete(filter="side:*", all=True)["documents"] > 80 and len(index) == 0 and index
    with pytest.raises(Error) as caught:
        index.add(documents=[{"side": 1}], features={media: rows[:1] for media, rows in features.items()})
    assert (caught.value.code, caught.value.line) == ("bad_value", 1)
    with pytest.raises(Error) as caught:
        index.delete()
    assert caught.value.code == "bad_argument"


def index_count(index, what, now):
    """Documents that matched before they went: the red ones of the first rounds, without `d0`, which is grey by now."""
    assert index.query(filter=what, k=0)["matched"] == now
    return len([row for row in documents() if row["colour"] == "red" and row["side"] < 14 and row["id"] != "d0"])


def test_bad_documents_are_counted_or_stop(index, bundle, features, tmp_path):
    rows = documents(3)
    rows[1]["id"] = [1]
    some = {media: values[:3] for media, values in features.items()}
    built = Index.build(tmp_path / "lenient", bundle, documents=rows, features=some).built
    assert built["documents"] == 2 and built["skipped"][0]["line"] == 2
    with pytest.raises(Error) as caught:
        Index.build(tmp_path / "strict", bundle, documents=rows, features=some, strict=True)
    assert (caught.value.code, caught.value.line) == ("bad_value", 2)
    with pytest.raises(Error) as caught:
        Index.build(tmp_path / "twice", bundle, documents=[{"id": 1}, {"id": 1}], features={media: values[:2] for media, values in features.items()})
    assert caught.value.code == "duplicate_id"
    with pytest.raises(Error) as caught:
        Index.build(tmp_path / "short", bundle, documents=documents(2), features=some)
    assert caught.value.code == "bad_dimension"
    with pytest.raises(Error) as caught:
        Index.build(tmp_path / "wide", bundle, features={"image": np.ones((2, 5), np.float32)})
    assert (caught.value.code, caught.value.expected) == ("bad_dimension", "64")
    # What failed left nothing behind.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "lenient"]


def test_an_index_is_replaced_when_the_new_one_is_whole(index, bundle, features):
    place, some = index.paths[0], {media: values[:4] for media, values in features.items()}
    with pytest.raises(Error) as caught:
        Index.build(place, bundle, features=some)
    assert (caught.value.code, caught.value.file) == ("exists", str(place))
    other = Index.build(place, bundle, features=some, force=True)
    assert len(other) == 4 and len(Index.open(place)) == 4
    # The old files are held by who had them open.
    assert len(index.query(features={"text": bag("the red square")}, k=50)["hits"]) == 50
    assert [path.name for path in place.parent.iterdir()] == ["index"]


def test_what_progress_raises_ends_a_build(bundle, features, tmp_path):
    class Enough(Exception):
        pass

    def hear(at):
        assert set(at) == {"consumed", "documents", "items", "warnings", "position", "length"}
        raise Enough

    with pytest.raises(Enough):
        Index.build(tmp_path / "index", bundle, features={media: np.tile(rows, (40, 1)) for media, rows in features.items()}, progress=hear)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_a_build(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    program = textwrap.dedent(
        """
        import numpy as np, sys
        from uncsm_index import Bundle, Index
        rng = np.random.default_rng(1)
        rows = {"image": rng.normal(size=(60_000, 64)), "text": rng.normal(size=(60_000, 8))}
        try:
            Index.build("index", Bundle.load("bundle"), features=rows, progress=lambda at: at["documents"] and print("building", flush=True))
        except KeyboardInterrupt:
            sys.exit(7)
        """
    )
    child = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "building\n"
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
        assert child.returncode == 7
        # It was stopped on its way, and nothing is left of it.
        assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    finally:
        child.kill()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_queries(bundle, tmp_path):
    rng = np.random.default_rng(1)
    rows = {"image": rng.random((10_000, 64), dtype=np.float32), "text": rng.random((10_000, 8), dtype=np.float32)}
    index = Index.build(tmp_path / "index", bundle, features=rows)
    asked = [{"features": {"text": row}} for row in rng.random((5_000, 8))]
    began = time.monotonic()
    index.batch(asked[:100], media="image", exact=True)
    whole = (time.monotonic() - began) * 50
    stopping = threading.Timer(whole / 10, os.kill, (os.getpid(), signal.SIGINT))
    began = time.monotonic()
    stopping.start()
    with pytest.raises(KeyboardInterrupt):
        index.batch(asked, media="image", exact=True)
    # Long before its end, and the index answers as ever.
    assert time.monotonic() - began < max(whole / 2, 0.5)
    assert len(index.query(**asked[0], media="image", k=5)["hits"]) == 5


def test_built_of_files(corpus, encoded, tmp_path):
    heard = []
    index = Index.build(tmp_path / "index", encoded, corpus, progress=heard.append, without="split")
    assert index.built["documents"] == 96 and heard[-1]["documents"] == 96
    assert set(colours(index.query(text="the red square", media="image", k=3))) == {"red"}
    assert "split" not in index.inspect()["schema"]
    assert index.query(image=drawn(2), media="image", k=1)["hits"][0]["fields"]["colour"] == "blue"
    more = corpus.parent / "more.jsonl"
    more.write_text('{"id": "x", "text": "the red square", "image": "0.png", "colour": "red", "side": 99}\n')
    assert index.add(more)["documents"] == 1 and ids(index.query(filter="side:99")) == ["x"]
    german = '[fields.text]\ntype = "text"\ntokenizer = "stem:german"\n'
    other = Index.build(tmp_path / "german", encoded, corpus, schema=german)
    assert other.inspect()["schema"]["text"]["tokenizer"] == "stem:german"
    with pytest.raises(Error) as caught:
        Index.build(tmp_path / "bad", encoded, corpus, schema="[fields.text]\ntype = 3\n")
    assert (caught.value.code, caught.value.file, caught.value.line) == ("bad_value", "schema", 2)
    for how in (dict(passages=20), dict(features_cache=tmp_path / "cache"), dict(append=True), dict(embed_encoders=True)):
        with pytest.raises(Error) as caught:
            Index.build(tmp_path / "bad", encoded, documents=[{"id": 1, "text": "a"}], **how)
        assert caught.value.code == "bad_argument"
    assert Index.build(tmp_path / "short", encoded, corpus, passages=2).built["items"]["text"] > 96
    for how in (dict(documents=[{}]), dict(features={"image": [[1.0]]}), dict(pathway="image=i")):
        with pytest.raises(TypeError):
            Index.build(tmp_path / "bad", encoded, corpus, **how)


def test_ids_that_are_made(bundle, encoded, corpus, features, tmp_path):
    some = {media: values[:3] for media, values in features.items()}
    everything = dict(keywords="*", k=5)
    rows = Index.build(tmp_path / "rows", bundle, features=some)
    assert sorted(ids(rows.query(**everything))) == ["0", "1", "2"]
    dicts = Index.build(tmp_path / "dicts", bundle, documents=[{"n": i} for i in range(3)], features=some)
    assert sorted(ids(dicts.query(**everything))) == ["1", "2", "3"]
    lines = tmp_path / "c.jsonl"
    lines.write_text('{"text": "the red square"}\n{"text": "the blue square"}\n')
    made = {how: ids(Index.build(tmp_path / how, encoded, lines, id_from=how).query(**everything)) for how in ("line", "hash")}
    assert sorted(made["line"]) == ["1", "2"] and {len(name) for name in made["hash"]} == {32}
    with pytest.raises(Error) as caught:
        Index.build(tmp_path / "bad", encoded, lines, id_from="nothing")
    assert caught.value.code in ("bad_value", "bad_argument")


def test_dates_of_python(bundle, features, tmp_path):
    days = [datetime.date(2026, 1, 31), np.datetime64("2026-03-01"), datetime.date(2026, 2, 1)]
    rows = [{"id": i, "day": day, "at": datetime.datetime(2026, 1, 1, i, tzinfo=datetime.timezone.utc)} for i, day in enumerate(days)]
    index = Index.build(tmp_path / "index", bundle, documents=rows, features={media: values[:3] for media, values in features.items()})
    assert {index.inspect()["schema"][name]["type"] for name in ("day", "at")} == {"date"}
    found = index.query(filter="day:[2026-02-01 TO 2026-12-31]", sort="day:desc")
    assert ids(found) == ["1", "2"] and found["hits"][0]["fields"] == {"at": "2026-01-01T01:00:00+00:00", "day": "2026-03-01"}


def test_several_indexes_answer_as_one(index, bundle, features, tmp_path):
    rows = [{**row, "id": "other-" + row["id"]} for row in documents(8)]
    Index.build(tmp_path / "other", bundle, documents=rows, features={media: values[:8] for media, values in features.items()})
    both = Index.open([index.paths[0], tmp_path / "other"])
    assert len(both) == 104 and len(both.paths) == 2
    hits = both.query(features={"text": bag("the red square")}, media="image", k=104)["hits"]
    assert {hit["index"] for hit in hits} == {0, 1} and len(hits) == 104
    assert set(pa.table(both.batch([{"like": "d1", "k": 3}])).column_names) >= {"index", "id"}
    with pytest.raises(Error) as caught:
        both.delete("d1")
    assert caught.value.code == "bad_argument"


def test_vectors_stand_in_the_mapped_file(index, bundle, features):
    (segment,) = index.vectors("image")
    assert (segment.vectors.shape, segment.vectors.dtype, len(segment)) == ((96, 16), np.float16, 96)
    assert not segment.vectors.flags.writeable and not segment.vectors.flags.owndata
    shared = bundle.project("image", features["image"]).astype(np.float16)
    places = [int(name[1:]) for name in segment.ids]
    assert np.array_equal(segment.vectors, shared[places])
    assert segment.live.all() and segment.ordinals.tolist() == [0] * 96 and (segment.spans == 2**32 - 1).all()
    norms = 1 / np.linalg.norm(segment.vectors.astype(np.float64), axis=1)
    assert np.allclose(segment.inverse_norms, norms, rtol=1e-6)
    again = index.vectors("image")[0]
    assert again.vectors.__array_interface__["data"] == segment.vectors.__array_interface__["data"]
    before, vectors = segment.vectors.copy(), segment.vectors
    index.delete("d1")
    assert [live for name, live in zip(segment.ids, index.vectors("image")[0].live) if name == "d1"] == [False]
    # The array holds the file by itself, whatever goes.
    del segment, again
    Index.build(index.paths[0], bundle, features={media: rows[:4] for media, rows in features.items()}, force=True)
    del index
    assert np.array_equal(vectors, before)


def test_the_reader_of_the_format_reads_the_same(index):
    """`format/python/uvec.py`, which knows the text of the format alone, on a file of an index, with the footer of its host."""
    sys.path.insert(0, str(ROOT / "format/python"))
    try:
        import uvec
        from verify import verify
    finally:
        sys.path.pop(0)
    (segment,) = index.vectors("text")
    file = uvec.Uvec(index.paths[0] / f"{segment.id.replace('-', '')}.uvec")
    assert file.footer is not None and verify(file) == [] and file.space.hex() == index.bundle.space
    for name in ("vectors", "docs", "ordinals", "spans", "hashes", "inverse_norms"):
        assert np.array_equal(file.media["text"][name], getattr(segment, name)), name


def test_another_bundle_of_the_same_space(index, features):
    rows = documents()
    data = dict(label=[row["colour"] for row in rows], split=[row["split"] for row in rows])
    rare = index.bundle.calibrate(features, prior=0.001, **data)
    ask = dict(features={"text": bag("the red square")}, media="image", k=1)
    before = index.query(**ask)["hits"][0]["probability"]
    index.attach(rare)
    assert index.query(**ask)["hits"][0]["probability"] < before
    assert index.bundle.inspect()["fingerprint"] == rare.inspect()["fingerprint"]
    other = Bundle.train(features, dim=8, **{**data}, epochs_contrastive=1, epochs_double_triplet=1, epochs_metric=1, members=1, folds=1)
    with pytest.raises(Error) as caught:
        index.attach(other)
    assert caught.value.code == "space_mismatch"


def test_an_index_is_read_from_many_threads_while_it_changes(index, features):
    wrong = []

    def ask():
        try:
            for _ in range(20):
                answer = index.query(features={"text": bag("the red square")}, media="image", k=4)
                if set(colours(answer)) != {"red"}:
                    wrong.append(answer)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(3):
        index.add(documents=[{"id": f"d{i * 4}", "text": "the red square", "colour": "red"}], features={m: rows[[0]] for m, rows in features.items()})
    for thread in threads:
        thread.join()
    assert wrong == []


def test_damage_is_named(index, tmp_path):
    (file,) = [path for path in index.paths[0].iterdir() if path.suffix == ".uvec"]
    data = bytearray(file.read_bytes())
    data[200] ^= 1
    file.write_bytes(data)
    with pytest.raises(Error) as caught:
        Index.open(index.paths[0]).query(features={"text": bag("a")})
    assert caught.value.code == "damaged" and caught.value.file.endswith(".uvec")
    with pytest.raises(Error) as caught:
        Index.open(tmp_path / "none")
    assert caught.value.code == "not_found"
    with pytest.raises(Error) as caught:
        Index.open([])
    assert caught.value.code == "bad_argument"
