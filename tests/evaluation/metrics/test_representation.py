"""Probes on data whose answer is known."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from tf_sintrovae.evaluation.metrics import representation


def clusters(count, seed):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1, 2], count)
    return rng.normal(scale=0.1, size=(3 * count, 2)) + np.array([[0, 0], [9, 0], [0, 9]])[y], y


def test_separable_classes_are_told_apart_and_noise_is_not():
    train, test = clusters(120, 0), clusters(40, 1)
    metrics = representation.probe_accuracies(*train, *test)
    assert set(metrics) == {
        "knn5_accuracy",
        "knn100_accuracy",
        "svm_few_accuracy",
        "svm_many_accuracy",
        "logistic_accuracy",
    }
    assert all(value == 1.0 for value in metrics.values())
    rng = np.random.default_rng(2)
    noise = representation.probe_accuracies(
        rng.normal(size=(360, 2)), train[1], rng.normal(size=(120, 2)), test[1]
    )
    assert all(value < 0.5 for value in noise.values())


def test_representations_are_standardised_on_the_training_set():
    """A huge constant scale on a useless dimension must not drown the useful one."""
    (x, y), (x_test, y_test) = clusters(120, 0), clusters(40, 1)
    rng = np.random.default_rng(3)
    wide = [np.column_stack([v, 1e6 * rng.normal(size=len(v))]) for v in (x, x_test)]
    assert representation.probe_accuracies(wide[0], y, wide[1], y_test)["knn5_accuracy"] > 0.9


def test_class_coverage_counts_what_the_classifier_finds():
    (x, y), (samples, _) = clusters(50, 0), clusters(20, 1)
    all_classes = representation.class_coverage(x, y, samples, 3)
    assert all_classes == {
        "sample_classes_found": 3.0,
        "sample_class_min_share": pytest.approx(1 / 3),
    }
    two = representation.class_coverage(x, y, samples[:40], 3)
    assert two == {"sample_classes_found": 2.0, "sample_class_min_share": 0.0}


def test_accuracies_are_those_of_scikit_learns_classifiers_on_digits():
    """Searched once, in threads and by matrix products: the same protocol gives the same accuracies."""
    x, y = load_digits(return_X_y=True)
    x = PCA(10, random_state=0).fit_transform(x).astype(np.float32)  # as wide as latents
    x += np.random.default_rng(0).normal(scale=6.0, size=x.shape).astype(np.float32)
    (train, y_train), (test, y_test) = (x[:1_300], y[:1_300]), (x[1_300:], y[1_300:])
    found = representation.probe_accuracies(train, y_train, test, y_test)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    classifiers = {f"knn{k}_accuracy": KNeighborsClassifier(k) for k in (5, 100)} | {
        f"svm_{name}_accuracy": SVC(kernel="linear", C=0.025, max_iter=count)
        for name, count in representation.SVM_ITERATIONS.items()
    }
    expected = {n: c.fit(train, y_train).score(test, y_test) for n, c in classifiers.items()}
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    # The case tells them apart.
    assert min(expected.values()) > 0.3 and max(expected.values()) < 0.95
    assert len(set(expected.values())) >= 3
