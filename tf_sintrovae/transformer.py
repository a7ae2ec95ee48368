"""The scikit-learn transformer, under its public name."""

from tf_sintrovae.serving.transformer import LatentTransformer

__all__ = ["LatentTransformer"]
