"""The linear machine against scikit-learn's."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from tf_sintrovae.evaluation.metrics.linear_svm import LinearSVM


@pytest.fixture(scope="module")
def digits():
    """Standardised digits, float32 as latents are: 1,200 to learn from and 597 to judge."""
    x, y = load_digits(return_X_y=True)
    x = StandardScaler().fit_transform(x).astype(np.float32)
    return (x[:1_200], y[:1_200]), (x[1_200:], y[1_200:])


@pytest.mark.parametrize("max_iter", [20, 2_000, -1], ids=["cut", "few", "converged"])
@pytest.mark.parametrize("C", [0.025, 1.0])
def test_weights_and_predictions_are_scikit_learns(digits, max_iter, C):
    """Also where the solver is stopped early: it takes the same path."""
    (x, y), (x_test, y_test) = digits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = SVC(kernel="linear", C=C, max_iter=max_iter).fit(x, y)
        svm = LinearSVM(C, max_iter).fit(x, y)
    np.testing.assert_allclose(svm._weights, expected.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(svm._offsets, expected.intercept_, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(svm.predict(x_test), expected.predict(x_test))
    assert svm.score(x_test, y_test) == expected.score(x_test, y_test)


def test_classes_of_any_names_and_only_two_of_them(digits):
    (x, y), (x_test, y_test) = digits
    rows, rows_test = np.isin(y, (3, 8)), np.isin(y_test, (3, 8))
    svm = LinearSVM().fit(x[rows], y[rows])
    assert set(svm.predict(x_test)) == {3, 8}
    expected = SVC(kernel="linear").fit(x[rows], y[rows]).predict(x_test[rows_test])
    np.testing.assert_array_equal(svm.predict(x_test[rows_test]), expected)


def test_each_pair_of_classes_is_a_step(digits):
    (x, y), told = digits[0], []

    def track(items, stage, total):
        for item in items:
            told.append((stage, total))
            yield item

    LinearSVM().fit(x, y, track, "probe")
    assert told == [("probe", 45)] * 45


def test_one_class_is_named():
    with pytest.raises(ValueError, match="1 classes: expected at least 2"):
        LinearSVM().fit(np.ones((4, 2)), np.ones(4))
