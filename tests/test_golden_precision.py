"""The table of what rounding does to the golden values measures rounding."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support import golden_precision


def test_tf32_has_ten_bits():
    x = tf.constant([1.0, 1 + 2**-10, 1 + 2**-11, 1 + 2**-12, -1 - 2**-11, 3e-20, 0.0])
    found = golden_precision.round_to_tf32(x).numpy()
    np.testing.assert_array_equal(found[:5], [1, 1 + 2**-10, 1 + 2**-10, 1, -1 - 2**-10])
    assert abs(found[5] / 3e-20 - 1) <= 2**-11 and found[6] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp2d", "image28"])
def test_coarser_numbers_have_larger_errors(name):
    """Of 24, 11 and 8 significant bits."""
    exact, tf32, bfloat16 = (
        golden_precision.errors(name, precision) for precision in golden_precision.PRECISIONS
    )
    assert all(error < 2e-5 for error in exact.values())
    for key, error in exact.items():
        assert 10 * error < tf32[key] < bfloat16[key]
