"""The loss weights: one set of defaults for the class, the command and the documentation.

Nothing here imports TensorFlow.
"""

from typing import NamedTuple


class Objective(NamedTuple):
    """The loss weights; the defaults suit small images of little variance, such as the digits.

    Attributes:
        beta_rec: loss weight of reconstruction errors.
        beta_kl: loss weight of KL divergences.
        beta_neg: loss weight of the KL of reconstructions and fakes inside the encoder's exponential terms.
        alpha: sharpness of the exponential terms.
        gamma: loss weight of the generated examples in the decoder's and prior's loss.
        gamma_r: loss weight of their reconstruction; 0 leaves the term and its decoder passes out.
        responsibility_reg: loss weight r of the responsibility regularisation; 0 leaves it out.
        scale: factor s of all losses; None stands for one over the number of values in an example, which the
            model fills in.
    """

    beta_rec: float = 20.0
    beta_kl: float = 0.35
    beta_neg: float = 20.0
    alpha: float = 2.0
    gamma: float = 1.0
    gamma_r: float = 0.0
    responsibility_reg: float = 100.0
    scale: float | None = None

    def for_examples(self, num_values: int) -> "Objective":
        """The same loss weights, with the scale of examples of `num_values` values where it was left open."""
        return self if self.scale is not None else self._replace(scale=1.0 / num_values)
