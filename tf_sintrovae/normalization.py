"""Batch norm of images by TensorFlow's fused operation."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tf_sintrovae")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch norm, its training mode as one operation.

    The same mathematics and weights. Keras 3 spells it out in a dozen operations a pass, and as many for the
    gradient, which takes up to twice as long on CPUs (`benchmarks/batch_norm.py`). Inference, statistics
    shared between replicas (`synchronized=True`) and float64, which the fused operation does not know, are
    Keras's. Half precision is normalised in float32, as by Keras.
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Normalises `inputs` [B, H, W, C]; in training mode by their own statistics, which it records."""
        if not training or not self.trainable or self.synchronized or inputs.dtype == "float64":
            return super().call(inputs, training=training, mask=mask)
        x, scale, offset = (tf.cast(t, tf.float32) for t in (inputs, self.gamma, self.beta))
        outputs, mean, variance = normalize_batch(x, scale, offset, self.epsilon)
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1.0 - self.momentum))
        return tf.cast(outputs, self.compute_dtype)


def normalize_batch(
    x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Batch norm by the batch's own statistics.

    Args:
        x: [B, H, W, C] float32 images or features.
        scale: [C] factors of the normalised channels.
        offset: [C] offsets of the normalised channels.
        epsilon: number added to the variance.

    Returns:
        The normalised x, and the batch's mean [C] and variance [C] (over the count, not one less). Only the
        first is differentiable.
    """
    axes = (0, 1, 2)

    @tf.custom_gradient
    def function(x, scale, offset):
        unused = tf.zeros([0])  # moving statistics are given in inference mode only
        outputs, mean, variance, *kept = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=scale, offset=offset, mean=unused, variance=unused, epsilon=epsilon
        )
        count = tf.cast(tf.size(x) / tf.shape(x)[-1], tf.float32)
        variance *= (count - 1.0) / count  # the operation divides by one less

        def gradient(grad_outputs, *_):
            # Centred first, which changes no other gradient: the operation's own sums lose digits otherwise.
            grad_offset = tf.reduce_sum(grad_outputs, axes)
            reserved = {f"reserve_space_{i}": value for i, value in enumerate(kept, start=1)}
            grad_x, grad_scale, *_ = tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=grad_outputs - grad_offset / count,
                x=x,
                scale=scale,
                epsilon=epsilon,
                **reserved,
            )
            return grad_x, grad_scale, grad_offset

        return (outputs, mean, variance), gradient

    return function(x, scale, offset)
