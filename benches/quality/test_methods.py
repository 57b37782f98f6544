"""Every baseline, through the tuner with the ends of its grid, finds the classes of made data far above chance, and repeats itself."""

import unittest

import numpy as np

import data
import methods
import tuning
from measures import map_mean


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


class Methods(unittest.TestCase):
    def test_each_learns_and_repeats(self):
        train, test = made(240, 1), made(80, 2)
        self.assertEqual(len(methods.ALL), 8)
        for name, method in methods.ALL.items():
            with self.subTest(name):
                scores = []
                for _ in range(2):
                    tuned = tuning.tune(Ends(method), train, 42)
                    scores.append(tuned.model.scores(test, tuned.variant))
                self.assertEqual(scores[0].shape, (80, 80))
                np.testing.assert_array_equal(scores[0], scores[1])
                # Chance is about 0.27. Methods that never see a class have a harder time.
                self.assertGreater(map_mean(scores[0], test.label)[2], 0.4)


class Screening(unittest.TestCase):
    def test_the_best_quarter_goes_on_and_three_at_least(self):
        self.assertEqual(tuning.survivors([0.1, 0.5, 0.2, 0.4, 0.3]), [1, 3, 4])
        self.assertEqual(tuning.survivors(list(range(16))), [12, 13, 14, 15])
        self.assertEqual(tuning.survivors([1.0, 2.0]), [0, 1])


if __name__ == "__main__":
    unittest.main()
