"""The encoder of an exported model as a scikit-learn transformer."""

import os
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from tf_sintrovae.serving import saved_model


class LatentTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Maps examples to their latent representation, `q(z|x)`'s mean or one sample of it.

    Nothing is trained: `fit` loads the export and checks the data. Copies (`clone`, pickle, worker processes)
    carry the path alone and load the export again.

    Args:
        saved_model: path of the export's folder.
        sample: whether to take a sample of the posterior in place of its mean.
        seed: seed of the samples; the same examples in the same order give the same samples.
        batch_size: number of examples encoded at a time.

    Attributes:
        shape_: shape of one example.
        n_features_in_: number of values of one example.
    """

    def __init__(
        self,
        saved_model: str | os.PathLike[str],
        sample: bool = False,
        seed: int = 0,
        batch_size: int = 512,
    ):
        self.saved_model = saved_model
        self.sample = sample
        self.seed = seed
        self.batch_size = batch_size

    def fit(self, X: npt.ArrayLike, y: Any = None) -> Self:
        """Loads the export and checks that it takes X.

        Args:
            X: [n, *shape] or [n, D] examples, D the product of the shape.
            y: labels, which are ignored.

        Returns:
            The transformer itself.

        Raises:
            UserError: no export is there.
            ValueError: X is of another size, or not finite.
        """
        shape, latent_dim = _shapes(self._load())
        self.shape_, self.n_features_in_ = shape, int(np.prod(shape))
        self._n_features_out = latent_dim
        self._check(X)
        return self

    def transform(self, X: npt.ArrayLike) -> np.ndarray:
        """Encodes X, [n, *shape] or [n, D], as representations [n, L] float32.

        Raises:
            ValueError: X is of another size, or not finite.
        """
        check_is_fitted(self)
        x = self._check(X).reshape(-1, *self.shape_)
        encode, noise = self._load(), np.random.default_rng(self.seed)
        parts = []
        for start in range(0, len(x), self.batch_size):
            out = encode(x=tf.constant(x[start : start + self.batch_size]))
            z = out["mean"].numpy()
            if self.sample:
                spread = np.exp(0.5 * out["logvar"].numpy())
                z = z + spread * noise.standard_normal(z.shape, np.float32)
            parts.append(z)
        return np.concatenate(parts)

    def _check(self, X: npt.ArrayLike) -> np.ndarray:
        """Returns X as finite float32 [n, D].

        Images are flattened before scikit-learn's own checks, which see tables only.
        """
        x = X
        if np.ndim(x) > 2 and np.shape(x)[1:] == self.shape_:
            x = np.reshape(x, (np.shape(x)[0], -1))
        x = check_array(x, dtype=np.float32, estimator=self)
        if x.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {x.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input: examples of shape {self.shape_}"
            )
        return x

    def _load(self) -> Callable[..., dict[str, tf.Tensor]]:
        """The `encode` function of the export, loaded at its first use in a process."""
        path = os.fspath(self.saved_model)
        if getattr(self, "_loaded", (None,))[0] != path:
            self._loaded = (path, _load(path))
        return self._loaded[1].signatures["encode"]

    def __getstate__(self) -> dict[str, Any]:
        """All but the loaded export, which cannot be pickled."""
        return {key: value for key, value in super().__getstate__().items() if key != "_loaded"}


def _load(path: str) -> Any:
    return saved_model.load(path, needed=("encode",))


def _shapes(encode: Any) -> tuple[tuple[int, ...], int]:
    """Shape of one example, and number of latent dimensions."""
    (spec,) = encode.structured_input_signature[1].values()
    return tuple(spec.shape[1:]), int(encode.structured_outputs["mean"].shape[-1])
