"""The names of the package itself: what they are, and that asking for them is what imports TensorFlow."""

import importlib
import subprocess
import sys

import pytest

import tf_sintrovae

NAMES = [name for name in tf_sintrovae.__all__ if not name.startswith("__")]


def test_the_package_is_imported_without_tensorflow():
    code = (
        "import sys, tf_sintrovae; dir(tf_sintrovae); tf_sintrovae.Objective\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_what_its_module_has(name):
    value = getattr(tf_sintrovae, name)
    assert value is getattr(importlib.import_module(value.__module__), name)
    assert value.__doc__ and name in dir(tf_sintrovae)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'tf_sintrovae' has no attribute 'GAN'"):
        _ = tf_sintrovae.GAN
