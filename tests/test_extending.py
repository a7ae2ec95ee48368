"""A prior, a metric and a form of the kernels of one's own, each by a few lines (docs/architecture.md)."""

import keras
import numpy as np
import tensorflow as tf

from tests.kernels import problems
from tests.support.linear_model import LinearModel
from tf_sintrovae import networks
from tf_sintrovae.data.sources.arrays import ArraySource
from tf_sintrovae.evaluation import evaluate, groups
from tf_sintrovae.kernels import mixture, programs, resident
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.priors import MixtureParameters, Prior


class RingPrior(Prior):
    """Equal components around a circle, whose radius alone is learned."""

    def __init__(self, num_components: int):
        super().__init__(num_components, 2)
        self.radius = self.add_weight(name="radius", shape=(), initializer="ones")

    def parameters(self, encoder=None, training=False) -> MixtureParameters:
        angle = tf.linspace(0.0, 2.0 * np.pi, self.num_components + 1)[:-1]
        loc = self.radius.value * tf.stack([tf.cos(angle), tf.sin(angle)], axis=1)
        return MixtureParameters(loc, tf.zeros_like(loc) - 2.0, tf.zeros_like(angle))


def test_a_prior_of_ones_own_is_learned_in_both_stages():
    encoder, decoder = networks.build_networks((3,), 2, (8,))
    model = SoftIntroVAE(encoder, decoder, RingPrior(5), num_mc_samples=4)
    model.compile(*[keras.optimizers.Adam(1e-2) for _ in range(3)], run_eagerly=True)
    x = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    radii = [1.0]
    for stage in ("vae", "introspective"):
        model.stage = stage
        model.fit(x, batch_size=16, epochs=1, verbose=0, shuffle=False)
        radii.append(float(model.prior.radius.numpy()))
    assert len(set(radii)) == 3


def test_a_metric_of_ones_own_is_taken_by_its_name(monkeypatch):
    def spread(context):
        return {"posterior_spread": float(context.posterior("test")[0].std())}

    monkeypatch.setitem(groups._ANY, "spread", spread)
    x = np.random.default_rng(0).uniform(size=(20, 2, 2, 1)).astype(np.float32)
    source = ArraySource("mine", x, x_test=x)
    metrics = evaluate(LinearModel((2, 2, 1)), source, metrics=("spread",))
    assert set(metrics) == {"posterior_spread"} and metrics["posterior_spread"] > 0


def test_a_form_of_ones_own_is_compiled_and_keeps_the_numbers(monkeypatch):
    class Form:
        """The resident form, which notes that it ran."""

        def __init__(self):
            self.traced = []

        def __getattr__(self, name):
            self.traced.append(name)
            return getattr(resident, name)

    form = Form()
    monkeypatch.setitem(programs.FORMS, "mine", form)
    monkeypatch.setattr(programs, "choose_form", lambda z, loc, platform: "mine")
    problem = problems.random_problem(np.random.default_rng(0), N=20, K=3, L=7)
    tensors = problems.as_tensors(problem, tf.float64)
    np.testing.assert_allclose(mixture.log_prob(*tensors), problems.tfp_values(*tensors)[0])
    actual = problems.gradients(mixture.log_prob, tensors, 1.0)
    wanted = problems.gradients(lambda *a: problems.tfp_values(*a)[0], tensors, 1.0)
    for a, w in zip(actual, wanted, strict=True):
        np.testing.assert_allclose(a, w, rtol=1e-9, atol=1e-9)
    assert {"forward", "grad_z", "grad_components"} <= set(form.traced)
