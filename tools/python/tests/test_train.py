"""Training on arrays and corpora: results, callbacks, errors, Ctrl-C, the lock of the interpreter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from conftest import SMALL, bag, documents, drawn, histogram, sentence

from uncsm_index import Bundle, Data, Error


def test_a_bundle_says_what_it_was_trained_on(bundle):
    about = bundle.inspect()
    assert list(about["media"]) == ["image", "text"]
    assert (about["media"]["image"]["dim"], about["media"]["text"]["dim"], about["shared_dim"]) == (64, 8, 16)
    assert about["classes"]["names"] == ["blue", "green", "grey", "red"]
    assert bundle.report["data"]["rows"] == {"train": 72, "val": 24, "test": 0}
    assert [stage["name"] for stage in bundle.report["stages"]] == ["contrastive", "double_triplet", "metric"]
    assert len(bundle.space) == 64 and bundle.space[:12] in repr(bundle)


def test_it_has_learned(bundle, features):
    rows = documents()
    said = bundle.evaluate(features, on="val", label=[row["colour"] for row in rows], split=[row["split"] for row in rows])
    assert said["pairs"] == 24
    # Four colours that both features tell apart; by chance it is a quarter.
    assert said["map_all"]["metric"]["mean"] > 0.9


def test_the_same_seed_gives_the_same_bundle(bundle, features):
    rows = documents()
    how = dict(label=[row["colour"] for row in rows], split=[row["split"] for row in rows])
    again = Bundle.train(features, **how, **SMALL)
    other = Bundle.train(features, **how, **{**SMALL, "seed": 7})
    models = [one.inspect()["fingerprint"]["model"] for one in (bundle, again, other)]
    assert models[0] == models[1] != models[2]


def test_arrays_of_other_types_and_orders_train_the_same(bundle, features):
    rows = documents()
    other = {"image": np.asfortranarray(features["image"], dtype=np.float64), "text": features["text"].tolist()}
    again = Bundle.train(other, label=[row["colour"] for row in rows], split=[row["split"] for row in rows], **SMALL)
    assert again.inspect()["fingerprint"] == bundle.inspect()["fingerprint"]


def test_save_and_load(bundle, tmp_path):
    place = tmp_path / "bundle"
    bundle.save(place)
    loaded = Bundle.load(place)
    assert loaded.inspect() == bundle.inspect() and loaded.report is None
    with pytest.raises(Error) as caught:
        bundle.save(place)
    assert (caught.value.code, caught.value.file) == ("exists", str(place))
    bundle.save(place, replace=True)
    with pytest.raises(Error) as caught:
        Bundle.load(tmp_path / "nothing")
    assert caught.value.code == "not_found" and "nothing" in caught.value.file and caught.value.line is None


def test_shared_vectors_are_the_memory_of_rust(bundle, features):
    shared = bundle.project("image", features["image"])
    assert (shared.shape, shared.dtype, shared.flags.c_contiguous) == ((96, 16), np.float32, True)
    # Not numpy's own memory, so it was not copied into it.
    base = shared
    while isinstance(base, np.ndarray):
        base = base.base
    assert type(base).__name__ == "PySliceContainer"
    assert np.array_equal(bundle.project("image", features["image"][5:6])[0], shared[5])
    with pytest.raises(Error) as caught:
        bundle.project("image", features["text"])
    assert (caught.value.code, caught.value.expected, caught.value.got) == ("bad_dimension", "64", "8")
    with pytest.raises(Error) as caught:
        bundle.project("sound", features["text"])
    assert caught.value.code == "unknown_media"


def test_progress_is_heard_in_the_calling_thread(features):
    heard, threads = [], set()

    def hear(at):
        heard.append(at)
        threads.add(threading.get_ident())

    Bundle.train(features, split=[row["split"] for row in documents()], progress=hear, **SMALL)
    assert threads == {threading.get_ident()}
    assert {"run", "runs", "stage", "epoch", "epochs", "loss", "score"} == set(heard[0])
    assert [at["epoch"] for at in heard if at["stage"] == "contrastive"][:3] == [1, 2, 3]
    assert {at["stage"] for at in heard} == {"contrastive", "double_triplet", "metric"}


def test_what_progress_raises_ends_training(features):
    class Enough(Exception):
        pass

    calls = []

    def hear(at):
        calls.append(at)
        raise Enough

    began = time.monotonic()
    with pytest.raises(Enough):
        Bundle.train(features, progress=hear, **{**SMALL, "epochs_contrastive": 100_000, "patience": 100_000})
    assert len(calls) == 1 and time.monotonic() - began < 60


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_training():
    program = textwrap.dedent(
        """
        import numpy as np, sys
        from uncsm_index import Bundle
        rng = np.random.default_rng(1)
        rows = {"image": rng.normal(size=(200, 32)), "text": rng.normal(size=(200, 16))}
        heard = []
        def hear(at):
            if not heard:
                print("training", flush=True)
            heard.append(at)
        try:
            Bundle.train(rows, progress=hear, epochs_contrastive=1_000_000, patience=1_000_000, kernel=False, hub=False, folds=1)
        except KeyboardInterrupt:
            print("stopped", flush=True)
            sys.exit(7)
        """
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "training\n"
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        rest, _ = child.communicate(timeout=60)
        assert (child.returncode, rest) == (7, "stopped\n")
        # An epoch at opt-level 0 beside other work.
        assert time.monotonic() - began < 30
    finally:
        child.kill()


def test_the_lock_is_released(features):
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    began = time.monotonic()
    Bundle.train(features, split=[row["split"] for row in documents()], **SMALL)
    ended = time.monotonic()
    done.set()
    thread.join()
    during = [at for at in ticks if began < at < ended]
    # Under the lock there would be none.
    assert len(during) > 5


def test_errors_have_codes(features):
    image, text = features["image"], features["text"]
    for source, how, code in [
        ({"image": image, "text": text}, dict(width=3), "bad_value"),
        ({"image": image, "text": text}, dict(dim="many"), "bad_value"),
        ({"image": image, "text": text}, dict(dim=0), "bad_argument"),
        ({"image": image, "text": text[:5]}, {}, "bad_dimension"),
        ({"image": image * np.nan, "text": text}, {}, "not_finite"),
        ({"image": image[:1], "text": text[:1]}, {}, "too_few_data"),
        ({"image": image}, {}, "too_few_data"),
        ({}, {}, "empty"),
        ({"image": image, "text": text}, dict(label=np.full(96, 2**40)), "bad_value"),
        ({"image": image, "text": text}, dict(label=np.zeros(5, int)), "bad_dimension"),
        ({"image": image, "text": text}, dict(split=["train"] * 95 + ["maybe"]), "bad_value"),
        ({"image": image, "text": text}, dict(pairs="/nothing.jsonl"), "not_found"),
        ("/nothing.jsonl", {}, "not_found"),
        # Settings are looked at before a source is.
        ("/nothing.jsonl", dict(width=3), "bad_value"),
    ]:
        with pytest.raises(Error) as caught:
            Bundle.train(source, **{**SMALL, **how})
        assert (caught.value.code, bool(caught.value.message)) == (code, True), (how, str(caught.value))
        assert all(hasattr(caught.value, name) for name in ("file", "line", "offset", "expected", "got", "hint"))


def test_wrong_arguments_are_refused_before_work(features):
    for source, how, kind in [
        (features, dict(label=[0.5] * 96), TypeError),
        (features, dict(label=[[1]] * 96), ValueError),
        (features, dict(split=["train"]), ValueError),
        (features, dict(split=["train"] * 96, test_mask=[False] * 96), ValueError),
        (features, dict(passages=3), TypeError),
        ("corpus.jsonl", dict(test_mask=[True]), TypeError),
        ({"image": [[["a"]]]}, {}, TypeError),
        ({"image": np.zeros(3)}, {}, ValueError),
    ]:
        with pytest.raises(kind):
            Bundle.train(source, **how)


def test_a_corpus_of_files(corpus, encoded):
    about = encoded.inspect()
    assert (about["media"]["image"]["encoder"], about["classes"]["key"]) == ("builtin-image-v1", "colour")
    assert encoded.report["data"]["items"] == {"image": 96, "text": 96}
    data = Data.read(corpus, label="colour", start=encoded)
    assert (data.summary()["rows"]["val"], data.left_out, data.reasons) == (24, 0, [])
    said = encoded.evaluate(data, on="val")
    assert said["map_all"]["metric"]["mean"] > 0.5
    calibrated = encoded.calibrate(data, prior=0.01)
    assert calibrated.space == encoded.space
    assert calibrated.inspect()["fingerprint"]["model"] != encoded.inspect()["fingerprint"]["model"]


def test_what_a_corpus_leaves_out_is_counted(tmp_path, encoded):
    path = tmp_path / "c.jsonl"
    drawn(0).save(tmp_path / "0.png")
    lines = ['{"id": 1, "text": "the red square", "image": "0.png", "colour": "red"}', "not json", '{"id": 2, "text": "a", "image": "no.png"}']
    path.write_text("\n".join(lines))
    data = Data.read(path, label="colour", start=encoded)
    assert data.left_out == 2 and len(data.reasons) == 2
    assert f"{path}:2" in data.reasons[0] and "no.png" in data.reasons[1]


def test_what_progress_raises_ends_the_reading_of_a_corpus(tmp_path):
    class Enough(Exception):
        pass

    heard = []

    def hear(documents):
        heard.append(documents)
        raise Enough

    path = tmp_path / "c.jsonl"
    path.write_text("\n".join('{"text": "%s number %d"}' % (sentence(i), i) for i in range(20_000)))
    with pytest.raises(Enough):
        Data.read(path, progress=hear)
    assert heard == [256]


def test_features_of_the_bundles_own_encoder(encoded):
    rows = encoded.encode("image", [drawn(0), drawn(1)])
    assert rows.shape == (2, encoded.inspect()["media"]["image"]["dim"]) and rows.dtype == np.float32
    words = encoded.encode("text", [sentence(0), sentence(1)])
    assert words.shape[0] == 2 and not np.array_equal(words[0], words[1])
    with pytest.raises(Error) as caught:
        encoded.encode("image", [drawn(0), b"no picture"])
    assert (caught.value.code, caught.value.line) == ("bad_value", 2)


def test_training_further(bundle, features):
    rows = documents()
    how = dict(label=[row["colour"] for row in rows], split=[row["split"] for row in rows])
    # The media types in another order: they are those of the bundle.
    turned = {"text": features["text"], "image": features["image"]}
    further = Bundle.train(turned, start=bundle, **how, **{**SMALL, "seed": 3})
    assert [stage["name"] for stage in further.report["stages"]] == ["metric"]
    assert list(further.inspect()["media"]) == ["image", "text"]


def test_encoders_of_the_tests_tell_colours_apart():
    assert not np.array_equal(histogram(drawn(0)), histogram(drawn(1)))
    assert bag("the red square").tolist() == [0, 1, 1, 0, 1, 0, 0, 0]
