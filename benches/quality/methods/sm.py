"""SM: semantic matching by the dot product of two class posteriors, P(same class).

Source: Rasiwasia et al., "A new approach to cross-modal multimedia retrieval", 2010 (semantic matching).
Formula: one multinomial logistic regression per media type, `p = softmax(W x + b)` with an L2 penalty `1/C`; score `p . q`.

Differs: the paper compares posteriors by normalised correlation; the dot product is the stronger rule on these data, and the
opponent that the project names. Each media type has its own penalty.
"""

import warnings

from sklearn.linear_model import LogisticRegression

from features import scaling

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


class Side:
    """Posteriors of one media type."""

    def __init__(self, rows, label, kind, c):
        self.scale = scaling.Scaling(kind, rows)
        self.model = LogisticRegression(C=c, max_iter=300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model.fit(self.scale(rows), label)

    def __call__(self, rows):
        return self.model.predict_proba(self.scale(rows))


class Model:
    """Two classifiers."""

    def __init__(self, image, text):
        self.image, self.text = image, text
        self.cache = {}

    def scores(self, data, variant):
        """Dot product of the posteriors."""
        return self.image(data.image) @ self.text(data.text).T


class SM:
    name = "SM"
    classes = True

    def __init__(self):
        self.sides = {}

    def grid(self, train):
        one = [(s, c) for s in scaling.KINDS for c in PENALTIES]
        return [
            {"image_scale": s, "image_c": c, "text_scale": t, "text_c": d} for s, c in one for t, d in one
        ]

    def variants(self, train, setting):
        return []

    def fit(self, train, setting, seed, watch, epochs):
        # Classifiers of one set of rows are shared by all settings that they are part of.
        if self.sides.get("rows") is not train:
            self.sides = {"rows": train}

        def side(name, rows):
            key = (name, setting[f"{name}_scale"], setting[f"{name}_c"])
            if key not in self.sides:
                self.sides[key] = Side(rows, train.label, *key[1:])
            return self.sides[key]

        return Model(side("image", train.image), side("text", train.text))
