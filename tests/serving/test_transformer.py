"""The transformer does what scikit-learn's own do."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from tests.support.linear_model import LinearModel
from tf_sintrovae.errors import UserError
from tf_sintrovae.serving.transformer import LatentTransformer

SHAPE = (3, 3, 1)
X = np.random.default_rng(0).uniform(size=(30, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transformer") / "saved_model"
    LinearModel(SHAPE).save(folder)
    return str(folder)


def test_means_of_images_and_of_rows(path):
    expected = LinearModel(SHAPE).signatures["encode"](x=X)["mean"].numpy()
    transformer = LatentTransformer(path, batch_size=7)
    np.testing.assert_allclose(transformer.fit_transform(X), expected, atol=1e-6)
    np.testing.assert_allclose(transformer.transform(X.reshape(30, 9)), expected, atol=1e-6)
    np.testing.assert_allclose(
        transformer.transform(X.reshape(30, 9).tolist()), expected, atol=1e-6
    )
    assert list(transformer.get_feature_names_out()) == ["latenttransformer0", "latenttransformer1"]


def test_samples_have_the_posteriors_spread_and_a_seed(path):
    first, again, other = (
        LatentTransformer(path, sample=True, seed=s).fit_transform(np.repeat(X, 50, axis=0))
        for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    residuals = first - LatentTransformer(path).fit_transform(np.repeat(X, 50, axis=0))
    # 3,000 draws: the standard deviation is known to 1.3 %.
    assert residuals.std() == pytest.approx(1 / np.sqrt(1 + 1.5**2), rel=0.05)
    assert not np.array_equal(first, other)


def test_clone_pickle_and_parameters(path):
    transformer = LatentTransformer(path, seed=3).fit(X)
    copy = clone(transformer)
    assert copy.get_params() == {
        "saved_model": path,
        "sample": False,
        "seed": 3,
        "batch_size": 512,
    }
    assert copy.set_params(sample=True).sample
    loaded = pickle.loads(pickle.dumps(transformer))
    np.testing.assert_array_equal(loaded.transform(X), transformer.transform(X))


def test_pipeline_and_cross_validation(path):
    """Labels that the representation decides."""
    y = (LatentTransformer(path).fit_transform(X)[:, 0] > 0).astype(int)
    y[:6] = [0, 1] * 3  # both classes whatever the model
    pipeline = make_pipeline(LatentTransformer(path), LogisticRegression(C=1e3))
    assert cross_val_score(pipeline, X.reshape(30, 9), y, cv=3).shape == (3,)
    assert pipeline.fit(X, y).score(X, y) > 0.7


def test_errors(path, tmp_path):
    with pytest.raises(ValueError, match="X has 8 features, but LatentTransformer is expecting 9"):
        LatentTransformer(path).fit(X).transform(np.zeros((2, 8)))
    with pytest.raises(ValueError, match="expecting 9 features"):
        LatentTransformer(path).fit(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="NaN"):
        LatentTransformer(path).fit(np.full((2, 9), np.nan))
    with pytest.raises(ValueError, match="not fitted"):
        LatentTransformer(path).transform(X)
    with pytest.raises(UserError, match=r"no saved_model\.pb"):
        LatentTransformer(str(tmp_path)).fit(X)
