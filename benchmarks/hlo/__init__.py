"""The training step as XLA programs that run through JAX, where there is no TensorFlow (docs/gpu.md)."""
