"""Probes on data whose answer is known."""

import numpy as np
import pytest

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
