"""The count of a step's operations, and the times that it gives."""

import itertools

import pytest

from benchmarks.hlo import cost
from benchmarks.hlo.cards import CARDS
from tf_sintrovae import networks

SHAPES = [((8, 8, 1), 5, (3, 6)), ((12, 20, 3), 2, (4, 4)), ((8, 8, 2), 3, (4,))]


@pytest.mark.parametrize(("shape", "latent_dim", "widths"), SHAPES)
def test_layers_are_those_of_the_networks(shape, latent_dim, widths):
    encoder, decoder = networks.build_networks(shape, latent_dim, widths)
    for network, layers in (
        (encoder, cost.encoder_layers(shape, latent_dim, widths)),
        (decoder, cost.decoder_layers(shape, latent_dim, widths)),
    ):
        kernels = [v.value.shape.num_elements() for v in network.variables if v.name == "kernel"]
        assert sorted(layer.weights for layer in layers) == sorted(kernels)


@pytest.mark.parametrize(("height", "width", "size"), [(2, 2, 3), (7, 4, 5), (3, 3, 1), (1, 6, 5)])
def test_a_convolution_counts_no_taps_on_the_padding(height, width, size):
    pixels = list(itertools.product(range(height), range(width)))
    reach = size // 2
    taps = sum(
        abs(a - c) <= reach and abs(b - d) <= reach
        for (a, b), (c, d) in itertools.product(pixels, pixels)
    )
    assert cost.conv(height, width, size, 3, 5).flops == 2 * taps * 3 * 5


def test_a_dense_layer_multiplies_and_adds_once_a_weight():
    assert cost.dense(7, 11) == (2 * 77, 11, 77)


def test_cost_grows_with_the_batch_alone_as_it_should():
    setting = cost.SETTINGS["digits"]
    one, two = (
        cost.step_cost("introspective", **setting | {"batch_size": size}) for size in (64, 128)
    )
    assert two.flops == 2 * one.flops
    assert two.mixture_flops == 2 * one.mixture_flops
    assert one.memory < two.memory < 2 * one.memory  # weights are held once


def test_times_of_cards_follow_their_peaks():
    step = cost.step_cost("introspective", **cost.SETTINGS["fmnist"])
    card = CARDS[0]._replace(tf32=1.0, float32=1.0, bandwidth=1.0)
    compute = (step.flops + step.mixture_flops) / 1e12
    least = cost.step_seconds(step, card, "tf32", (1.0, 1.0))
    assert least == pytest.approx(compute + step.bytes / 1e9)
    likely = cost.step_seconds(step, card, "tf32", (0.5, 1.0))
    assert likely - least == pytest.approx(compute)


def test_tables_have_a_column_for_each_step():
    assert len(cost.costs()) == 2 * len(cost.SETTINGS)
    rows = [cost.times(card, "float32") for card in CARDS]
    assert all(set(row) == set(rows[0]) for row in rows)
