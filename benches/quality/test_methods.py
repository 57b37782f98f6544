"""Every baseline, through the tuner with the ends of its grid, finds the classes of made data far above chance, and repeats itself."""

import unittest
from unittest import mock

import numpy as np

import methods
import torch
import tuning
from features import data, scaling
from measures import map_mean, paired, recall_mean
from methods import deep, kernel, ridge_cca


def made(n, seed):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 4, n)
    centres = np.random.default_rng(0).normal(size=(4, 16))
    image = centres[label] + 0.7 * rng.normal(size=(n, 16))
    text = centres[label][:, :8] + 0.7 * rng.normal(size=(n, 8))
    return data.Pairs(image.astype(np.float32), text.astype(np.float32), label)


class Ends:
    """A method with the first and the last setting of its grid."""

    def __init__(self, method):
        self.method, self.variants, self.fit = method, method.variants, method.fit
        self.screen = getattr(method, "screen", None)

    def grid(self, train):
        grid = self.method.grid(train)
        return [grid[0], grid[-1]]


def without_classes(rows):
    """The same rows, none with a class."""
    return data.Pairs(rows.image, rows.text, np.full(len(rows), -1), rows.keys)


class Methods(unittest.TestCase):
    def test_each_learns_and_repeats(self):
        train, test = made(240, 1), made(80, 2)
        self.assertEqual(len(methods.ALL), 10)
        for name, method in methods.ALL.items():
            with self.subTest(name):
                scores = []
                for _ in range(2):
                    found, _ = tuning.tune(Ends(method), train, 42)
                    self.assertEqual(list(found), ["map", "recall"])
                    scores.append([tuned.model.scores(test, tuned.variant) for tuned in found.values()])
                for first, second in zip(*scores):
                    self.assertEqual(first.shape, (80, 80))
                    np.testing.assert_array_equal(first, second)
                # Chance is about 0.27. Methods that never see a class have a harder time.
                self.assertGreater(map_mean(scores[0][0], test.label)[2], 0.4)
                # Chance is 10 of 80.
                self.assertGreater(recall_mean(scores[0][1], paired(test), 10), 0.2)

    def test_without_classes_those_that_need_none_learn_for_recall(self):
        train, test = without_classes(made(240, 1)), without_classes(made(80, 2))
        able = [method for method in methods.ALL.values() if not getattr(method, "classes", False)]
        names = ["CCA", "KCCA", "CFA", "Corr-AE", "ridge CCA", "kernel CCA + kernel ridge"]
        self.assertEqual([method.name for method in able], names)
        for method in able:
            with self.subTest(method.name):
                found, _ = tuning.tune(Ends(method), train, 42)
                self.assertEqual(list(found), ["recall"])
                tuned = found["recall"]
                self.assertGreater(recall_mean(tuned.model.scores(test, tuned.variant), paired(test), 10), 0.2)


class Aims(unittest.TestCase):
    """A method whose settings are good for one thing each, and one that trains by epochs."""

    class Known:
        name = "known"

        def grid(self, train):
            return [{"good": good} for good in ("nothing", "map", "recall")]

        def variants(self, train, setting):
            return [{"turned": True}, {"turned": False}]

        def fit(self, train, setting, seed, watch, epochs):
            self.setting = setting
            return self

        def scores(self, rows, variant):
            n, sign = len(rows), -1 if variant["turned"] else 1
            if self.setting["good"] == "map":
                # All of the class in front, this very item last of them.
                return sign * ((rows.label[:, None] == rows.label[None, :]) - 0.5 * np.eye(n))
            if self.setting["good"] == "recall":
                return sign * (2 * np.eye(n) - (rows.label[:, None] == rows.label[None, :]))
            return np.zeros((n, n))

    def test_each_aim_gets_its_own_setting(self):
        found, seconds = tuning.tune(self.Known(), made(240, 1), 42)
        self.assertEqual(found["map"].chosen, {"good": "map", "turned": False})
        self.assertEqual(found["recall"].chosen["good"], "recall")
        self.assertGreater(seconds, 0)

    def test_each_aim_gets_its_own_epochs(self):
        class Net:
            def train(self):
                pass

        class Model:
            net, best, epochs = Net(), None, None

            def tensors(self, rows):
                return [torch.zeros(len(rows), 1)] * 2

        values = {2: [0.1, 0.5], 4: [0.3, 0.4], 6: [0.2, 0.9], 8: [0.35, 0.1]}
        at = iter(range(2, 100, 2))
        model = deep.train_epochs(Model(), made(20, 1), lambda *batch: None, 1, lambda _: values.get(next(at), [0, 0]), None)
        self.assertEqual((model.best, model.epochs), ([0.35, 0.9], [8, 6]))
        # It ended when nothing was gained for some epochs.
        self.assertEqual(next(at), 20)


class KernelForm(unittest.TestCase):
    """The form without eigenvalues is the one that its page names."""

    def test_vectors_are_those_of_whitened_kernel_pca(self):
        train, test = made(60, 1), made(20, 2)
        kernels = kernel.Kernels(train, 1.0)
        model, whitened, maps = kernel.Vectors(kernels, 1.0), [], []
        for side in kernels.sides:
            # Kernel PCA: the eigenvectors of the covariance of the kernel features.
            w, basis = np.linalg.eigh(side.between)
            features = side.train @ basis / np.sqrt(w)
            w2, turn = np.linalg.eigh(features.T @ features / 60)
            maps.append(basis / np.sqrt(w) @ turn / np.sqrt(w2 + side.eigenvalue))
            self.assertAlmostEqual(side.eigenvalue, w2.mean(), places=9)
            whitened.append(side.train @ maps[-1])
        u, s, vt = np.linalg.svd(whitened[0].T @ whitened[1] / 60)
        np.testing.assert_allclose(model.s, s[: len(model.s)], atol=1e-6)
        k = 5
        first, second = (
            columns @ part @ turn[:, :k] * s[:k]
            for columns, part, turn in zip(kernels.columns(test), maps, (u, vt.T))
        )
        expected = scaling.unit(first) @ scaling.unit(second).T
        found = model.scores(test, {"dim": k, "power": 1, "hub": 0.0})
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_posteriors_are_those_of_kernel_ridge(self):
        train, test = made(60, 1), made(20, 2)
        kernels = kernel.Kernels(train, 1.0)
        side, target = kernels.sides[0], kernels.target
        # The stationary point of |K W - T|^2 + n l tr W' K_mm W.
        weights = np.linalg.solve(side.gram + 60 * 1e-2 * side.between, side.train.T @ target)
        logit = 3 * (kernels.share + side(test.image) @ weights)
        expected = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(kernels.posterior(0, test, 1e-2, 3), expected, atol=1e-6)

    def test_what_is_near_to_everything_loses(self):
        train, test = made(120, 1), made(40, 2)
        model = kernel.Vectors(kernel.Kernels(train, 1.0), 1.0)
        plain = model.scores(test, {"dim": 4, "power": 1, "hub": 0.0})
        lowered = model.scores(test, {"dim": 4, "power": 1, "hub": 1.0})
        # By its definition, over the train rows of the other media type.
        def hub(scores, axis):
            return 0.15 * np.log(np.exp(scores / 0.15).mean(axis=axis))

        setting = {"dim": 4, "power": 1, "hub": 0.0}
        forth = hub(model.scores(data.Pairs(test.image, train.text, test.label), setting), 1)
        back = hub(model.scores(data.Pairs(train.image, test.text, test.label), setting), 0)
        np.testing.assert_allclose(plain - lowered, forth[:, None] + back[None, :], atol=1e-9)

    def test_landmarks_are_a_draw_of_many_rows(self):
        train, test = made(240, 1), made(80, 2)
        with mock.patch.object(kernel, "LANDMARKS", 100):
            kernels = kernel.Kernels(train, 1.0)
            self.assertEqual(kernels.sides[0].train.shape, (240, 100))
            found, _ = tuning.tune(Ends(kernel.Kernel()), train, 42)
        tuned = found["map"]
        self.assertGreater(map_mean(tuned.model.scores(test, tuned.variant), test.label)[2], 0.4)


class Roots(unittest.TestCase):
    def test_counts_have_roots_and_embeddings_have_none(self):
        rows = made(50, 1)
        self.assertFalse(scaling.takes_roots(rows.image))
        self.assertTrue(scaling.takes_roots(np.abs(rows.image)))
        np.testing.assert_allclose(scaling.roots(np.array([[4.0, -9.0]])), [[2, -3]])

    def test_ridge_cca_reads_them(self):
        image = np.array([[4.0, 0.0], [0.0, 16.0]])
        np.testing.assert_allclose(ridge_cca.Input(image, True, False)(image), [[1, -2], [-1, 2]])
        np.testing.assert_allclose(ridge_cca.Input(image, True, True)(image), [[0.5, -0.5], [-0.5, 0.5]])


class Screening(unittest.TestCase):
    def test_the_best_quarter_goes_on_and_three_at_least(self):
        self.assertEqual(tuning.survivors([0.1, 0.5, 0.2, 0.4, 0.3]), [1, 3, 4])
        self.assertEqual(tuning.survivors(list(range(16))), [12, 13, 14, 15])
        self.assertEqual(tuning.survivors([1.0, 2.0]), [0, 1])


if __name__ == "__main__":
    unittest.main()
