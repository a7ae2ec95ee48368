"""Package metadata: names, versions, dependencies, and what the wheel holds."""

import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (ROOT / "tf_sintrovae" / "__init__.py").read_text(), re.M
)[1]

setuptools.setup(
    name="tf-sintrovae",
    version=VERSION,
    description="Soft-IntroVAE with a learnable multimodal prior, in TensorFlow and Keras",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    # kernels/ and configs/ are reached through the symlinks inside tf_sintrovae/, as ordinary packages:
    # nothing but tf_sintrovae goes into site-packages.
    packages=setuptools.find_packages(include=["tf_sintrovae", "tf_sintrovae.*"]),
    package_data={"tf_sintrovae.configs": ["*.flags", "sweeps/*"]},
    install_requires=[
        "absl-py>=2.1,<3",
        "importlib_resources>=6",  # tensorflow-datasets imports it without declaring it
        "keras>=3.10,<4",
        "markupsafe>=2.1,<4",
        "matplotlib>=3.8,<4",
        "numpy>=1.26,<3",
        "pillow>=10",
        "scikit-learn>=1.5,<2",
        "scipy>=1.13,<2",
        "tensorboard>=2.19,<2.22",
        "tensorflow>=2.20,<2.22",
        "tensorflow-datasets>=4.9.9,<5",
        "tensorflow-probability[tf]>=0.25,<0.26",
        "tf-keras>=2.20,<2.22",  # tensorflow-probability imports it
    ],
    extras_require={
        "docs": [
            "mkdocs>=1.6,<2",
            "mkdocstrings[python]>=1.0,<2",
            "mkdocstrings-python>=2.0,<3",
            "pygments>=2.18,<3",
        ],
        "gpu": ["tensorflow[and-cuda]>=2.20,<2.22"],
        # What benchmarks/hlo converts and runs training steps with, and compares them with (docs/gpu.md).
        "gpu-bench": ["flatbuffers>=25", "jax>=0.10,<0.11", "jaxlib>=0.10,<0.11", "numpy>=2,<3"],
        "gpu-bench-torch": ["torch>=2.8,<3"],
        "test": [
            "hypothesis>=6.100,<7",
            "mypy>=2.4,<3",
            "pytest>=8,<10",
            "pytest-xdist>=3.6,<4",
            "ruff>=0.17,<0.18",
            "setuptools>=68",
            "wheel>=0.43",
        ],
    },
)
