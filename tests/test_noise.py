"""NoiseSource: standard normals that are a function of seed, step and example alone."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tf_sintrovae.noise import NoiseSource, Replica

STEP = 5


def source(batch_size=4, dtype=tf.float32, seed=0, step=STEP, num_replicas=1, replica=0):
    return NoiseSource(
        seed,
        tf.cast(step, tf.int64),
        batch_size,
        latent_dim=3,
        num_mc_samples=2,
        dtype=dtype,
        replica=Replica(num_replicas, replica),
    )


def test_shapes():
    shapes = {
        name: tuple(value.shape) for name, value in source().encoder_player()._asdict().items()
    }
    assert shapes == {
        "component": (4,),
        "prior": (4, 3),
        "z_real": (4, 3),
        "z_generated": (8, 3),
        "kl_real": (2, 4, 3),
        "kl_generated": (2, 8, 3),
    }


def test_all_draws_of_a_step_differ():
    noise = source()
    players = (noise.encoder_player(), noise.decoder_player())
    values = np.concatenate([t.numpy().ravel() for player in players for t in player])
    assert len(np.unique(values)) == len(values)


@pytest.mark.parametrize("other", [{"seed": 1}, {"step": STEP + 1}], ids=str)
def test_seed_and_step_change_every_number(other):
    for mine, others in zip(source().vae(), source(**other).vae(), strict=True):
        assert not np.intersect1d(mine, others).size


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_draws_are_standard_normal_and_uniform(dtype):
    noise = source(batch_size=20_000, dtype=dtype).encoder_player()
    for name, value in noise._asdict().items():
        distribution = "uniform" if name == "component" else "norm"
        assert scipy.stats.kstest(np.ravel(value), distribution).pvalue > 1e-3, name
    largest = np.abs(noise.kl_generated).max()  # of 240,000
    assert 4.0 < largest < 5.5
    assert noise.kl_generated.dtype == dtype


def test_an_example_has_its_own_noise_in_a_batch_of_any_size():
    small, large = source(batch_size=4).vae(), source(batch_size=7).vae()
    np.testing.assert_allclose(large.z[:4], small.z, rtol=1e-6)
    np.testing.assert_allclose(large.kl[:, :4], small.kl, rtol=1e-6)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_replicas_share_the_noise_of_the_global_batch(dtype):
    whole = source(6, dtype).encoder_player()
    parts = [source(3, dtype, num_replicas=2, replica=i).encoder_player() for i in (0, 1)]
    np.testing.assert_array_equal(whole.z_real, tf.concat([p.z_real for p in parts], axis=0))
    np.testing.assert_array_equal(whole.kl_real, tf.concat([p.kl_real for p in parts], axis=1))
    for index, part in enumerate(parts):
        rows = slice(3 * index, 3 * index + 3)
        reconstructions, fakes = tf.split(part.kl_generated, 2, axis=1)
        np.testing.assert_array_equal(reconstructions, whole.kl_generated[:, :6][:, rows])
        np.testing.assert_array_equal(fakes, whole.kl_generated[:, 6:][:, rows])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_graphs_and_xla_draw_what_eager_code_draws(jit_compile):
    def draw(step):
        return source(step=step).encoder_player()

    compiled = tf.function(draw, jit_compile=jit_compile)
    for graph, eager in zip(compiled(tf.constant(STEP)), draw(STEP), strict=True):
        np.testing.assert_allclose(graph, eager, rtol=1e-5)
