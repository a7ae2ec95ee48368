"""The one metric by which a model in training is judged."""

import numpy as np
import pytest

from tests.support.linear_model import LinearModel
from tf_sintrovae import evaluation
from tf_sintrovae.data import registry
from tf_sintrovae.data.sources.arrays import ArraySource
from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation import Options
from tf_sintrovae.evaluation.feature_networks import classifier
from tf_sintrovae.evaluation.single import single_metric


@pytest.mark.parametrize("name", ["fid", "kid_standardised"])
def test_of_images_it_is_that_of_the_whole_evaluation(tmp_path, monkeypatch, name):
    monkeypatch.setattr(classifier, "_STEPS", 30)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(200, 4, 4, 1)).astype(np.float32), np.repeat([0, 1], 100)
    source = ArraySource("halves", x, y, x[::4], y[::4])
    model = LinearModel(source.shape, latent_dim=6, offset=0.2)
    value = single_metric(source, name, 3, 64)(model)
    whole = evaluation.evaluate(
        model, source, ("sample_quality",), seed=3, options=Options(num_images=64)
    )
    assert value == pytest.approx(whole[f"{name}/halves-classifier"], rel=1e-6)


def test_a_metric_that_does_not_suit_the_data_or_is_none_is_refused():
    plane = registry.load("8gaussians")
    with pytest.raises(UserError, match="best_metric=fid does not suit 8gaussians"):
        single_metric(plane, "fid", 0, 16)
    with pytest.raises(UserError, match="best_metric=beauty: expected one of fid, "):
        single_metric(plane, "beauty", 0, 16)
