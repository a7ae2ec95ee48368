"""Divergence: which losses or weights of a model are not finite, and the error that says so."""

import typing
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from tf_sintrovae.errors import UserError

if typing.TYPE_CHECKING:
    from tf_sintrovae.model import SoftIntroVAE


class DivergenceError(UserError):
    """Training came to losses or weights that are not finite.

    Attributes:
        step: first step, counted from 1, at which it was seen.
        terms: names of the losses or groups of variables that were not finite.
    """

    def __init__(self, step: int, terms: Sequence[str]):
        self.step = step
        self.terms = sorted(terms, key=lambda term: term.endswith("loss"))  # causes before sums
        super().__init__(f"training diverged at step {step}: {', '.join(self.terms)} not finite")


def check_losses(model: "SoftIntroVAE") -> None:
    """Looks whether every step's losses were finite, at the cost of reading two integers.

    Args:
        model: model in training.

    Raises:
        DivergenceError: those of a step were not.
    """
    if model.divergence is not None:
        raise DivergenceError(*model.divergence)


class FiniteCheck:
    """Tells which groups of variables hold what is not finite, in one compiled reduction.

    Args:
        groups: variables by the name of their group; those of integers are passed over.
        limits: variables that may be infinite, but not NaN.
    """

    def __init__(
        self, groups: Mapping[str, Sequence[keras.Variable]], limits: Sequence[keras.Variable] = ()
    ):
        self._groups = groups
        self._limits = {id(variable) for variable in limits}
        self._flags = tf.function(self._bad_groups, autograph=False)

    def bad_groups(self) -> list[str]:
        """The names of the groups in which a value is not finite."""
        flags = self._flags().numpy()
        return [name for name, bad in zip(self._groups, flags, strict=True) if bad]

    def _bad_groups(self) -> tf.Tensor:
        return tf.stack([self._any_bad(variables) for variables in self._groups.values()])

    def _any_bad(self, variables: Sequence[keras.Variable]) -> tf.Tensor:
        floats = [v for v in variables if tf.as_dtype(v.dtype).is_floating]
        return tf.reduce_any([False, *map(self._is_bad, floats)])

    def _is_bad(self, variable: keras.Variable) -> tf.Tensor:
        value = tf.convert_to_tensor(variable.value)
        allowed = id(variable) in self._limits
        bad = tf.math.is_nan(value) if allowed else ~tf.math.is_finite(value)
        return tf.reduce_any(bad)
