"""Features files as a source: one, several, patterns and folders; what arrays of the same rows give; errors that name the file."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SMALL, documents
from safetensors.numpy import save_file

from uncsm_index import Bundle, Data, Error, Index

PATHWAY = ["image=image", "text=text"]
COLOURS = ["blue", "green", "grey", "red"]
BESIDE = dict(label="label", test_mask="is_test")


def labels() -> np.ndarray:
    return np.array([COLOURS.index(row["colour"]) for row in documents()], dtype=np.int64)


def is_test() -> np.ndarray:
    return np.arange(96) % 5 == 0


@pytest.fixture(scope="module")
def parts(features, tmp_path_factory):
    """The rows in three files of 40, 32 and 24."""
    place = tmp_path_factory.mktemp("parts")
    beside = {"label": labels(), "is_test": is_test().astype(np.uint8)}
    ends, files = [0, 40, 72, 96], []
    for at in range(3):
        rows = slice(ends[at], ends[at + 1])
        files.append(place / f"part-{at}.safetensors")
        save_file({name: np.ascontiguousarray(values[rows]) for name, values in {**features, **beside}.items()}, files[-1])
    return files


@pytest.fixture(scope="module")
def of_arrays(features) -> Bundle:
    return Bundle.train(features, label=labels(), test_mask=is_test(), **SMALL)


@pytest.fixture(scope="module")
def of_files(parts) -> Bundle:
    return Bundle.train(features=parts, pathway=PATHWAY, **BESIDE, **SMALL)


def test_several_files_train_as_arrays_of_their_rows(of_arrays, of_files):
    assert of_files.inspect()["fingerprint"] == of_arrays.inspect()["fingerprint"]
    assert of_files.report["data"]["rows"] == of_arrays.report["data"]["rows"]
    assert of_files.report["data"]["rows"]["test"] == 20


def test_files_measure_and_calibrate_as_arrays(parts, features, of_arrays, of_files):
    rows = dict(label=labels(), test_mask=is_test())
    one = of_arrays.evaluate(features, **rows)
    other = of_files.evaluate(features=parts, pathway=PATHWAY, **BESIDE)
    assert one["map_all"] == other["map_all"] and one["pairs"] == other["pairs"] == 20
    # Of some of the files too, which has other rows.
    assert of_files.evaluate(features=parts[1:], pathway=PATHWAY, **BESIDE)["pairs"] == 12
    models = [
        bundle.inspect()["fingerprint"]["model"]
        for bundle in (
            of_files,
            of_arrays.calibrate(features, prior=0.01, **rows),
            of_files.calibrate(features=parts, prior=0.01, pathway=PATHWAY, **BESIDE),
        )
    ]
    assert models[0] != models[1] == models[2]


def test_a_pattern_and_a_folder_name_the_files_in_order(parts, of_files):
    folder = parts[0].parent
    for named in (folder, str(folder), str(folder / "part-*.safetensors"), [folder / "part-[0-9].safetensors"], tuple(parts)):
        data = Data.open(named, pathway=PATHWAY, **BESIDE)
        assert (data.summary()["rows"]["train"], data.summary()["rows"]["test"], data.left_out) == (76, 20, 0), named
    again = Bundle.train(Data.open(folder, pathway=PATHWAY, **BESIDE), **SMALL)
    assert again.inspect()["fingerprint"] == of_files.inspect()["fingerprint"]


def test_one_file_and_further_training(parts, of_files):
    # The media types in another order: they are those of the bundle.
    how = dict(features=parts[0], pathway=PATHWAY[::-1], **BESIDE)
    further = Bundle.train(start=of_files, **how, **{**SMALL, "seed": 3})
    assert list(further.inspect()["media"]) == ["image", "text"] and further.report["data"]["rows"]["test"] == 8
    assert [stage["name"] for stage in further.report["stages"]] == ["metric"]


def test_arrays_may_be_called_features(features, of_arrays):
    again = Bundle.train(features=features, label=labels(), test_mask=is_test(), **SMALL)
    assert again.inspect()["fingerprint"] == of_arrays.inspect()["fingerprint"]


def test_errors_name_the_file(parts, features, tmp_path, of_files):
    def saved(name, **tensors):
        save_file(tensors, tmp_path / name)
        return tmp_path / name

    image, text = features["image"][:6] + 1, features["text"][:6] + 1
    beside = {"label": labels()[:6], "is_test": np.zeros(6, np.uint8)}
    wider = saved("wider", image=np.ones((6, 65), np.float32), text=text, **beside)
    double = saved("double", image=image.astype(np.float64), text=text, **beside)
    holes = saved("holes", image=image * np.nan, text=text, **beside)
    lacking = saved("lacking", image=image, **beside)
    for files, how, code, file in [
        ([parts[0], wider], {}, "bad_dimension", wider),
        ([parts[0], double], {}, "bad_value", double),
        ([parts[0], holes], {}, "not_finite", holes),
        ([parts[0], lacking], {}, "unknown_tensor", lacking),
        ([parts[0], parts[1], parts[0]], {}, "bad_argument", parts[0]),
        ([parts[0], tmp_path / "none"], {}, "not_found", tmp_path / "none"),
        (tmp_path / "none-*", {}, "not_found", None),
        ([], {}, "bad_argument", None),
        (parts, dict(pathway="image"), "bad_argument", None),
        (parts, dict(pathway=None), "bad_argument", parts[0]),
        (parts, dict(label="colour"), "unknown_tensor", parts[0]),
        (parts, dict(encoders={"sound": "ear"}), "unknown_media", None),
    ]:
        with pytest.raises(Error) as caught:
            Bundle.train(features=files, **{"pathway": PATHWAY, **BESIDE, **SMALL, **how})
        assert caught.value.code == code, (how, str(caught.value))
        assert file is None or caught.value.file == str(file), (how, str(caught.value))
    assert (caught.value.expected, caught.value.got) == ("image or text", "sound")
    with pytest.raises(Error) as caught:
        Bundle.train(features=parts)
    assert caught.value.hint.endswith("`pathway` MEDIA=TENSOR")
    with pytest.raises(Error) as caught:
        of_files.evaluate(features=wider, pathway=PATHWAY, **BESIDE)
    assert (caught.value.code, caught.value.got, caught.value.file) == ("bad_dimension", "65", str(wider))
    with pytest.raises(Error) as caught:
        of_files.calibrate(features=parts, pathway="image=image", **BESIDE)
    assert caught.value.code == "unknown_media"


def test_wrong_arguments_are_refused_before_work(features, of_files):
    nothing = "/nothing.safetensors"
    for source, how in [
        (features, dict(features=nothing)),
        (None, {}),
        (features, dict(pathway=PATHWAY)),
        ("corpus.jsonl", dict(pathway=PATHWAY)),
        (None, dict(features=features, pathway=PATHWAY)),
        (None, dict(features=nothing, split=["train"])),
        (None, dict(features=nothing, passages=3)),
        (None, dict(features=[np.zeros((2, 2))])),
    ]:
        with pytest.raises(TypeError):
            Bundle.train(source, **how)
    for how in (dict(), dict(features=nothing), dict(features=nothing, pathway=PATHWAY, split=["test"])):
        with pytest.raises(TypeError):
            of_files.evaluate(**how)
        with pytest.raises(TypeError):
            of_files.calibrate(**how)


def test_a_file_that_changes_meanwhile_is_an_error(features, tmp_path):
    path = tmp_path / "f.safetensors"
    save_file({**features, "label": labels()}, path)
    data = Data.open([path], pathway=PATHWAY, label="label")
    other = tmp_path / "other.safetensors"
    save_file({**{media: values + 1 for media, values in features.items()}, "label": labels(), "more": labels()}, other)
    # In place: of a file that another one replaces, what was opened stays whole.
    path.write_bytes(other.read_bytes())
    with pytest.raises(Error) as caught:
        Bundle.train(data, **SMALL)
    assert (caught.value.code, caught.value.file) == ("changed", str(path))


def test_an_index_takes_one_file(parts, features, of_files, tmp_path):
    index = Index.build(tmp_path / "one", of_files, features=[parts[0]], pathway=PATHWAY)
    assert len(index) == 40 and index.built["items"] == {"image": 40, "text": 40}
    for files, file in (([], None), (parts, str(parts[1]))):
        with pytest.raises(Error) as caught:
            Index.build(tmp_path / "other", of_files, features=files, pathway=PATHWAY)
        assert (caught.value.code, caught.value.file) == ("bad_argument", file)
        with pytest.raises(Error) as caught:
            index.add(features=files, pathway=PATHWAY)
        assert (caught.value.code, caught.value.file) == ("bad_argument", file)
    assert "Index.open" in caught.value.hint and not (tmp_path / "other").exists()
    # As the hint says: one of each, with ids that differ.
    for at, rows in enumerate([range(40), range(40, 72)]):
        (tmp_path / f"{at}.jsonl").write_text("".join('{"id": "d%d"}\n' % row for row in rows))
        Index.build(tmp_path / f"index-{at}", of_files, tmp_path / f"{at}.jsonl", features=parts[at], pathway=PATHWAY)
    both = Index.open([tmp_path / "index-0", tmp_path / "index-1"])
    found = both.query(features={"text": features["text"][50]}, media="image", k=72)["hits"]
    assert len(both) == 72 and {hit["id"] for hit in found} == {f"d{row}" for row in range(72)}
