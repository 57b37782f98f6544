"""The losses and the metric network in PyTorch are the formulas that the binary learns by."""

import unittest

import torch

import losses
from network import LEFT, RIGHT, Metric, dropout


class Losses(unittest.TestCase):
    def near(self, got, expected):
        self.assertAlmostEqual(float(got), expected, places=4)

    def test_contrastive_has_a_mean_for_each_kind_of_pair(self):
        squared = torch.tensor([[0.0, 0.8], [2.0, 0.4]])
        similar = torch.tensor([[False, True], [False, False]]).repeat(2, 1, 1)
        got = losses.contrastive(squared, similar, torch.tensor([1.0, 0.5]), 1.0)
        self.near(got, 1.5 * (0.4 + ((1 - 1e-3) ** 2 + (1 - 0.4**0.5) ** 2) / 6))

    def test_triplets_are_semi_hard_on_both_sides(self):
        squared = torch.tensor([[0.5, 0.6, 3.0], [0.2, 1.0, 0.9], [2.0, 2.5, 0.1]])
        similar = torch.eye(3, dtype=torch.bool).repeat(2, 1, 1)
        # Rows: 0.4 + 0.5 - 0.6; none beyond 1.0, so the farthest: 0.4 + 1.0 - 0.9; 0. Columns: 0.
        self.near(losses.double_triplet(squared, similar, torch.tensor([1.0, 2.0]), 0.4), 3 * 0.8 / 3)
        self.near(losses.double_triplet(squared, similar ^ similar, torch.ones(2), 0.4), 0)

    def test_ranking_and_logistic(self):
        scores = torch.tensor([[1.0, 2.0], [0.0, -1.0]])
        similar = torch.tensor([[True, False], [False, False]])
        by_row, by_column = (1 + torch.tensor(1.0).exp()).log(), (1 + torch.tensor(-1.0).exp()).log()
        self.near(losses.ranking(scores, similar), float(by_row + by_column) / 2)
        loss = torch.nn.functional.softplus
        expected = (loss(torch.tensor(-1.0)) + (loss(torch.tensor(2.0)) + loss(torch.tensor(0.0)) + loss(torch.tensor(-1.0))) / 3) / 2
        self.near(losses.logistic(scores[None, None], similar[None, None])[0, 0], float(expected))

    def test_logits_are_the_formula(self):
        torch.manual_seed(0)
        metric = Metric(5, torch.tensor([0.5, 1.0, 2.0]), {"half": 4})
        with torch.no_grad():
            for value in metric.parameters():
                value.copy_(torch.randn(value.shape))
            u, v = torch.randn(3, 6, 8), torch.randn(3, 6, 8)
            logits, matrices = metric(u, v), metric.matrices()
            for at, (a, b) in enumerate(zip(LEFT, RIGHT)):
                for target in (0, 1):
                    scales = metric.class_scale[at, target] * metric.class_weights[target], metric.unit_scale[at, target].repeat(5)
                    full = matrices[at, target] + torch.diag(torch.cat(scales))
                    x, y = u[at, 2], v[at, 4]
                    hidden = (x @ metric.halves[a] + y @ metric.halves[b] + metric.shift[at, target]).relu()
                    expected = x @ full @ y + hidden @ metric.weights[at, target] + metric.bias[at, target]
                    self.near(logits[at, target, 2, 4], float(expected))
                    if a == b:
                        self.assertTrue(torch.equal(full, full.T))

    def test_dropout_keeps_the_mean(self):
        kept = dropout(torch.ones(100, 101), 0.3, True)
        self.near(kept.max(), 1 / 0.7)
        self.assertLess(abs(float(kept.mean()) - 1), 0.03)
        self.assertLess(abs(float((kept == 0).float().mean()) - 0.3), 0.02)


if __name__ == "__main__":
    unittest.main()
