"""Analytic gradients of the mixture's functions, which can themselves be differentiated."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from tf_sintrovae.kernels import programs
from tf_sintrovae.kernels.components import Upstream


def analytic_gradient(
    plain: Callable,
    make_upstream: Callable[..., Upstream],
    inputs: Sequence[tf.Tensor],
    state: programs.State,
    options: dict,
) -> Callable:
    """The gradient function of a `tf.custom_gradient`.

    It runs two programs, so that a graph that needs only one of the gradients at z and at the parameters runs
    only that one.

    Args:
        plain: function that is differentiated, without gradients of its own, for second derivatives.
        make_upstream: function that turns the gradients at the function's outputs into those at the forward
            program's.
        inputs: samples z [N, L] and parameters loc [K, L], logvar [K, L], logits [K].
        state: result of the forward program.
        options: `form`, `platform` and `jit_compile` of the programs.

    Returns:
        A function of the gradients at the outputs that returns those at the inputs.
    """

    def run(program):
        def first_order(*arguments):
            upstream = make_upstream(*arguments[4:])
            return program(*arguments[:4], state, upstream, **options)

        return first_order

    def gradient(*upstream):
        arguments = (*inputs, *upstream)
        grad_z = _differentiable_again(run(programs.grad_z), plain, slice(0, 1))
        grad_parameters = _differentiable_again(run(programs.grad_parameters), plain, slice(1, 4))
        return grad_z(*arguments), *grad_parameters(*arguments)

    return gradient


def _differentiable_again(backward: Callable, plain: Callable, which: slice) -> Callable:
    """Gives an analytic gradient, of (*inputs, *upstream), the derivatives of `plain`'s gradient.

    Args:
        backward: function that gives the analytic gradient at the inputs that `which` selects.
        plain: function of the inputs that TensorFlow can differentiate twice.
        which: slice that selects among the four inputs.
    """

    def plain_backward(*arguments):
        inputs, upstream = arguments[:4], arguments[4:]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = plain(*inputs)
        return tape.gradient(outputs, inputs[which], upstream, tf.UnconnectedGradients.ZERO)

    @tf.custom_gradient
    def function(*arguments):
        def second(*upstream):
            with tf.GradientTape() as tape:
                tape.watch(arguments)
                gradients = plain_backward(*arguments)
            return tape.gradient(gradients, arguments, upstream, tf.UnconnectedGradients.ZERO)

        return backward(*arguments), second

    return tf.autograph.experimental.do_not_convert(function)
