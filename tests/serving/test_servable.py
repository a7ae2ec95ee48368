"""The servable of a model in training follows the model, and is traced once."""

import numpy as np

from tests.support.cases import Case, data
from tf_sintrovae.serving.servable import LiveServable, Servable


def test_a_live_servable_is_what_a_new_one_would_be():
    model = Case("points", "warm_started").model()
    live = LiveServable()
    x = data(model.example_shape)
    first = live(model).signatures["encode"](x=x)["mean"].numpy()
    for variable in model.trainable_variables:
        variable.assign(variable + 0.1)
    model.prior.hand_over(model.encoder)
    now, fresh = live(model).signatures, Servable(model).signatures
    assert not np.array_equal(first, now["encode"](x=x)["mean"])
    for name, inputs in {"encode": {"x": x}, "prior": {}}.items():
        for key, value in fresh[name](**inputs).items():
            np.testing.assert_array_equal(now[name](**inputs)[key], value)
    assert now["encode"].experimental_get_tracing_count() == 1
