"""What the representation is worth to simple classifiers (paper, Sec. 5.3)."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# The paper's "few" and "many" labels settings: iterations of the SVM, neighbours of k-NN.
SVM_ITERATIONS = {"few": 2_000, "many": 10_000}
NEIGHBOURS = (5, 100)
LOGISTIC_ITERATIONS = 300


def probe_accuracies(
    z_train: np.ndarray, y_train: np.ndarray, z_test: np.ndarray, y_test: np.ndarray
) -> dict[str, float]:
    """Measures test accuracies of k-NN, linear SVMs and logistic regression on standardised inputs.

    Args:
        z_train: [N, L] representations of the training set; standardisation is fitted on them.
        y_train: [N] labels of the training set.
        z_test: [M, L] representations of the test set.
        y_test: [M] labels of the test set.

    Returns:
        `knn5_accuracy`, `knn100_accuracy`, `svm_few_accuracy`, `svm_many_accuracy`,
        `logistic_accuracy`.
    """
    scaler = StandardScaler().fit(z_train)
    train, test = scaler.transform(z_train), scaler.transform(z_test)
    classifiers = {f"knn{k}": KNeighborsClassifier(min(k, len(train))) for k in NEIGHBOURS} | {
        f"svm_{name}": SVC(kernel="linear", C=0.025, max_iter=count)
        for name, count in SVM_ITERATIONS.items()
    }
    classifiers["logistic"] = LogisticRegression(max_iter=LOGISTIC_ITERATIONS)
    with warnings.catch_warnings():
        # The protocol stops after so many iterations, converged or not.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {
            f"{name}_accuracy": float(classifier.fit(train, y_train).score(test, y_test))
            for name, classifier in classifiers.items()
        }


def class_coverage(
    x_train: np.ndarray, y_train: np.ndarray, samples: np.ndarray, num_classes: int
) -> dict[str, float]:
    """Tells which classes a linear SVM, trained on real pixels, finds among samples.

    Args:
        x_train: [N, ...] real examples.
        y_train: [N] labels of the training set.
        samples: [M, ...] samples of the model.
        num_classes: number of classes.

    Returns:
        `sample_classes_found` and `sample_class_min_share`, the rarest class's share of the samples.
    """
    classifier = SVC(kernel="linear").fit(x_train.reshape(len(x_train), -1), y_train)
    predicted = classifier.predict(samples.reshape(len(samples), -1))
    shares = np.bincount(predicted, minlength=num_classes) / len(samples)
    return {
        "sample_classes_found": float(np.count_nonzero(shares)),
        "sample_class_min_share": float(shares.min()),
    }
