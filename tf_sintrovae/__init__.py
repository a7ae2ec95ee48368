"""Soft-IntroVAE with a learnable multimodal prior, in TensorFlow and Keras."""

__version__ = "0.1.0"
