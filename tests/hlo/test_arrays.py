"""Training examples travel as bytes, without rounding."""

import numpy as np
import pytest

from benchmarks.hlo import arrays

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 5, 4, 1)).astype(np.float32)


@pytest.mark.parametrize("x", [PIXELS / np.float32(255), PIXELS[:, :2] / 16, np.zeros((3, 2))])
def test_few_values_are_packed_without_rounding(x):
    packed = arrays.pack(x)
    assert packed["codes"].dtype == np.uint8
    found = arrays.unpack(packed)
    np.testing.assert_array_equal(found, x)
    assert found.dtype == x.dtype


def test_many_values_stay_as_they_are():
    x = np.random.default_rng(1).normal(size=(30, 20)).astype(np.float32)
    packed = arrays.pack(x)
    assert set(packed) == {"x"}
    np.testing.assert_array_equal(arrays.unpack(packed), x)


@pytest.mark.parametrize("compress", [False, True])
def test_arrays_survive_their_file(tmp_path, compress):
    values = {"a/0": np.arange(3), "b": np.array(2.5, np.float32)}
    arrays.write_arrays(tmp_path / "arrays.npz", values, compress)
    found = arrays.read_arrays(tmp_path / "arrays.npz")
    assert set(found) == set(values)
    for name, value in values.items():
        np.testing.assert_array_equal(found[name], value)
    assert [path.name for path in tmp_path.iterdir()] == ["arrays.npz"]
