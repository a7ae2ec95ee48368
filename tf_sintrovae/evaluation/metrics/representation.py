"""What the representation is worth to simple classifiers (paper, Sec. 5.3)."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from tf_sintrovae.evaluation.metrics.linear_svm import LinearSVM
from tf_sintrovae.evaluation.progress import Track, untracked

# The paper's "few" and "many" labels settings: iterations of the SVM, neighbours of k-NN.
SVM_ITERATIONS = {"few": 2_000, "many": 10_000}
NEIGHBOURS = (5, 100)
LOGISTIC_ITERATIONS = 300
_BLOCK = 1_000  # examples whose neighbours are searched at once


def probe_accuracies(
    z_train: np.ndarray,
    y_train: np.ndarray,
    z_test: np.ndarray,
    y_test: np.ndarray,
    track: Track = untracked,
) -> dict[str, float]:
    """Measures test accuracies of k-NN, linear SVMs and logistic regression on standardised inputs.

    Args:
        z_train: [N, L] representations of the training set; standardisation is fitted on them.
        y_train: [N] labels of the training set.
        z_test: [M, L] representations of the test set.
        y_test: [M] labels of the test set.
        track: function that passes items on and tells how many of a stage are done.

    Returns:
        `knn5_accuracy`, `knn100_accuracy`, `svm_few_accuracy`, `svm_many_accuracy`,
        `logistic_accuracy`.
    """
    scaler = StandardScaler().fit(z_train)
    train, test = scaler.transform(z_train), scaler.transform(z_test)
    metrics = _neighbour_accuracies(train, y_train, test, y_test, track)
    with warnings.catch_warnings():
        # The protocol stops after so many iterations, converged or not.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, count in SVM_ITERATIONS.items():
            svm = LinearSVM(C=0.025, max_iter=count).fit(train, y_train, track, f"SVM, {name}")
            metrics[f"svm_{name}_accuracy"] = svm.score(test, y_test)
        logistic = LogisticRegression(max_iter=LOGISTIC_ITERATIONS).fit(train, y_train)
    return metrics | {"logistic_accuracy": float(logistic.score(test, y_test))}


def _neighbour_accuracies(
    train: np.ndarray, y_train: np.ndarray, test: np.ndarray, y_test: np.ndarray, track: Track
) -> dict[str, float]:
    """Accuracies of majorities among neighbours, which are searched once for all k."""
    search = NearestNeighbors(n_neighbors=min(max(NEIGHBOURS), len(train)), n_jobs=-1).fit(train)
    blocks = np.array_split(test, -(-len(test) // _BLOCK))
    near = np.concatenate(
        [
            search.kneighbors(block, return_distance=False)
            for block in track(blocks, "k-NN", len(blocks))
        ]
    )
    classes, labels = np.unique(y_train, return_inverse=True)
    return {
        f"knn{k}_accuracy": float(np.mean(classes[_majority(labels[near[:, :k]])] == y_test))
        for k in NEIGHBOURS
    }


def _majority(labels: np.ndarray) -> np.ndarray:
    """The most frequent label [M] of each row [M, k]; the smallest of equals."""
    counts = np.stack([(labels == label).sum(axis=1) for label in range(labels.max() + 1)])
    return counts.argmax(axis=0)


def class_coverage(
    x_train: np.ndarray,
    y_train: np.ndarray,
    samples: np.ndarray,
    num_classes: int,
    track: Track = untracked,
) -> dict[str, float]:
    """Tells which classes a linear SVM, trained on real pixels, finds among samples.

    Args:
        x_train: [N, ...] real examples.
        y_train: [N] labels of the training set.
        samples: [M, ...] samples of the model.
        num_classes: number of classes.
        track: function that passes items on and tells how many of a stage are done.

    Returns:
        `sample_classes_found` and `sample_class_min_share`, the rarest class's share of the samples.
    """
    classifier = LinearSVM().fit(x_train.reshape(len(x_train), -1), y_train, track)
    predicted = classifier.predict(samples.reshape(len(samples), -1))
    shares = np.bincount(predicted, minlength=num_classes) / len(samples)
    return {
        "sample_classes_found": float(np.count_nonzero(shares)),
        "sample_class_min_share": float(shares.min()),
    }
