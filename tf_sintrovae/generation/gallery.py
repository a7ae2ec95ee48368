"""What an exported model generates, in the order in which a picture shows it.

A model is seen through the signatures of docs/evaluation.md, called a batch at a time: what is drawn does not
depend on how much memory there is.
"""

import dataclasses
import itertools
import logging
import math
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tf_sintrovae.errors import UserError

_BATCH_SIZE = 500
# A picture with more rows is not looked at.
_MOST_ROWS = 100
_logger = logging.getLogger("tf_sintrovae.generation")


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Examples that a model generated, and how a picture lays them.

    Attributes:
        x: [N, *shape] float32 examples; images in [0, 1].
        names: [N] names of the examples, for their files.
        groups: [N] integer, the component that an example was drawn from, or its row.
        columns: number of examples in a row of the picture.
        group_name: what `groups` are: 'component' or 'row'.
        titles: texts beside the rows; empty for none.
        originals: [N, *shape] given examples that `x` reconstructs; None otherwise.
    """

    x: np.ndarray
    names: Sequence[str]
    groups: np.ndarray
    columns: int
    group_name: str = "row"
    titles: Sequence[str] = ()
    originals: np.ndarray | None = None


def samples(signatures: Mapping, count: int, seed: int) -> Gallery:
    """Draws samples from the whole prior.

    Args:
        signatures: signatures of the model, by name.
        count: number of samples.
        seed: seed of the draw.
    """
    parts = []
    for i, start in enumerate(range(0, count, _BATCH_SIZE)):
        size = tf.constant(min(_BATCH_SIZE, count - start))
        parts.append(signatures["sample"](num_samples=size, seed=tf.constant([seed, 1 + i])))
    x, component = (np.concatenate([p[name].numpy() for p in parts]) for name in ("x", "component"))
    names = [f"{i:05}" for i in range(count)]
    return Gallery(x, names, component, math.ceil(math.sqrt(count)), "component")


def component_samples(signatures: Mapping, component: int, count: int, seed: int) -> Gallery:
    """Draws samples from one component of the prior.

    Args:
        signatures: signatures of the model, by name.
        component: index of the component.
        count: number of samples.
        seed: seed of the draw, which gives each component noise of its own.

    Raises:
        UserError: the model has no such component.
    """
    loc, logvar, _ = _prior(signatures)
    _check_component(component, len(loc))
    x = _decode(signatures, _draw(loc, logvar, component, count, seed))
    names = [f"{i:05}" for i in range(count)]
    groups = np.full(count, component)
    return Gallery(x, names, groups, math.ceil(math.sqrt(count)), "component")


def samples_by_component(signatures: Mapping, count: int, seed: int) -> Gallery:
    """Draws samples from each component of the prior, a row each, the heaviest first.

    Args:
        signatures: signatures of the model, by name.
        count: number of samples of each component.
        seed: seed of the draws; a component's are those of `component_samples`.
    """
    loc, logvar, weights = _prior(signatures)
    order = np.argsort(-weights, kind="stable")[:_MOST_ROWS]
    if len(order) < len(weights):
        _logger.warning(
            "%d components: samples of the %d heaviest are drawn", len(weights), len(order)
        )
    z = np.concatenate([_draw(loc, logvar, k, count, seed) for k in order])
    names = [f"component_{k:03}_{i:05}" for k in order for i in range(count)]
    titles = [f"{k}: {weights[k]:.1%}" for k in order]
    groups = np.repeat(order, count)
    return Gallery(_decode(signatures, z), names, groups, count, "component", titles)


def reconstructions(signatures: Mapping, x: np.ndarray, names: Sequence[str]) -> Gallery:
    """Reconstructs examples from the means of their posteriors.

    Args:
        signatures: signatures of the model, by name.
        x: [N, *shape] float32 examples.
        names: [N] names of the examples.
    """
    numbered = [f"{i:05}_{name}" for i, name in enumerate(names)]
    columns = min(len(x), 10)
    rebuilt = _decode(signatures, _encode(signatures, x))
    return Gallery(rebuilt, numbered, np.arange(len(x)) // columns, columns, originals=x)


def interpolations(signatures: Mapping, x: np.ndarray, steps: int) -> Gallery:
    """Goes from each example to the next, in a straight line between the means of their posteriors.

    Args:
        signatures: signatures of the model, by name.
        x: [N, *shape] float32 examples, at least two.
        steps: number of steps from one to the next, both ends among them.

    Raises:
        UserError: there are fewer than two examples.
    """
    if len(x) < 2:
        raise UserError(
            "--interpolate has 1 example: expected two or more, to go from one to the next"
        )
    ends = [str(i) for i in range(len(x))]
    return _interpolated(signatures, _encode(signatures, x), ends, steps)


def component_interpolations(signatures: Mapping, components: Sequence[int], steps: int) -> Gallery:
    """Goes from each component of the prior to the next, in a straight line between their means.

    Args:
        signatures: signatures of the model, by name.
        components: indices of the components, at least two.
        steps: number of steps from one to the next, both ends among them.

    Raises:
        UserError: the model has no such component.
    """
    loc, _, _ = _prior(signatures)
    for component in components:
        _check_component(component, len(loc))
    ends = [f"component_{k:03}" for k in components]
    return _interpolated(signatures, loc[list(components)], ends, steps)


def between(starts: np.ndarray, ends: np.ndarray, steps: int) -> np.ndarray:
    """Points [N, steps, L] on the straight lines from `starts` [N, L] to `ends` [N, L], both included."""
    share = np.linspace(0.0, 1.0, steps, dtype=np.float32)[:, None]  # [steps, 1]
    return (1.0 - share) * starts[:, None] + share * ends[:, None]


def _interpolated(signatures: Mapping, z: np.ndarray, ends: Sequence[str], steps: int) -> Gallery:
    """Rows of `steps` decoded points [*, L] between each of `z` [N, L] and the next."""
    rows = between(z[:-1], z[1:], steps)
    names = [
        f"{start}_to_{end}_{i:03}" for start, end in itertools.pairwise(ends) for i in range(steps)
    ]
    groups = np.repeat(np.arange(len(rows)), steps)
    return Gallery(_decode(signatures, np.concatenate(rows)), names, groups, steps)


def _draw(loc: np.ndarray, logvar: np.ndarray, component: int, count: int, seed: int) -> np.ndarray:
    """Latent vectors [count, L] of a component, by noise of its own."""
    noise = np.random.default_rng([seed, component]).standard_normal(
        (count, loc.shape[1]), np.float32
    )
    return loc[component] + np.exp(0.5 * logvar[component]) * noise


def _prior(signatures: Mapping) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The prior's means and log-variances [K, L] and weights [K]."""
    prior = {name: value.numpy() for name, value in signatures["prior"]().items()}
    return prior["loc"], prior["logvar"], np.exp(prior["log_weights"])


def _check_component(component: int, count: int) -> None:
    if not 0 <= component < count:
        raise UserError(f"component {component}: expected one of the model's, 0 to {count - 1}")


def _encode(signatures: Mapping, x: np.ndarray) -> np.ndarray:
    """Posterior means [N, L]."""
    return _call(signatures, "encode", "x", x)["mean"]


def _decode(signatures: Mapping, z: np.ndarray) -> np.ndarray:
    """Decoded examples [N, *shape]."""
    return _call(signatures, "decode", "z", z)["x"]


def _call(signatures: Mapping, name: str, argument: str, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Calls a signature with many rows, a batch at a time."""
    parts = [
        signatures[name](**{argument: tf.constant(rows[start : start + _BATCH_SIZE])})
        for start in range(0, len(rows), _BATCH_SIZE)
    ]
    return {key: np.concatenate([part[key].numpy() for part in parts]) for key in parts[0]}
