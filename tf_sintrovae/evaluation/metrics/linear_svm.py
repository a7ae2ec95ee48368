"""scikit-learn's linear `SVC`, its pairs of classes in threads and its predictions by matrix products."""

import itertools

import numpy as np
from sklearn.svm import SVC

from tf_sintrovae.evaluation.progress import Track, untracked
from tf_sintrovae.evaluation.threads import map_in_threads


class LinearSVM:
    """Linear support vector machine, one class against one.

    `SVC(kernel="linear")` fits its pairs of classes one after the other, and predicts by inner products with
    every support vector. The pairs do not depend on each other, and a linear machine has one weight a
    dimension: the same solver gives the same machines here, and those the same votes, in less time.

    Args:
        C: penalty of an example on the wrong side.
        max_iter: greatest number of the solver's iterations for a pair of classes; -1 for no limit.
    """

    def __init__(self, C: float = 1.0, max_iter: int = -1):
        self._C, self._max_iter = C, max_iter

    def fit(
        self, x: np.ndarray, y: np.ndarray, track: Track = untracked, stage: str = "linear SVM"
    ) -> "LinearSVM":
        """Fits all pairs of classes; returns itself.

        Args:
            x: [N, D] examples.
            y: [N] classes, at least two different ones.
            track: function that passes on the pairs and tells how many are done.
            stage: what it calls this.

        Raises:
            ValueError: there are fewer than two classes.
        """
        self.classes = np.unique(y)
        if len(self.classes) < 2:
            raise ValueError(f"{len(self.classes)} classes: expected at least 2")
        # libsvm takes its examples in float64: converted once for all pairs.
        rows = [np.asarray(x[y == label], np.float64) for label in self.classes]
        self._pairs = np.array(list(itertools.combinations(range(len(rows)), 2)))  # [P, 2]
        machines = map_in_threads(
            lambda pair: self._fit_pair(rows[pair[0]], rows[pair[1]]), self._pairs
        )
        self._weights, self._offsets = map(
            np.array, zip(*track(machines, stage, len(self._pairs)), strict=True)
        )
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Returns the class of each example [N, D] that wins most pairs; the first of equals."""
        first = x @ self._weights.T + self._offsets > 0  # [N, P]
        winners = np.where(first, self._pairs[:, 0], self._pairs[:, 1])
        votes = np.stack([(winners == k).sum(axis=1) for k in range(len(self.classes))])  # [K, N]
        return self.classes[votes.argmax(axis=0)]

    def score(self, x: np.ndarray, y: np.ndarray) -> float:
        """Returns the share of examples [N, D] whose class [N] is predicted."""
        return float(np.mean(self.predict(x) == y))

    def _fit_pair(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights [D] and offset of a machine that is positive for the first class."""
        labels = np.repeat([0, 1], [len(first), len(second)])
        svc = SVC(kernel="linear", C=self._C, max_iter=self._max_iter)
        svc.fit(np.concatenate([first, second]), labels)
        # scikit-learn's is positive for the second of two classes.
        return -svc.coef_[0], -float(svc.intercept_[0])
