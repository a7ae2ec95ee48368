"""Generated data files: each is loaded whole and valid, or refused with one line; nothing else happens."""

import collections
import contextlib
import pathlib
import signal
import tempfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data import generated
from tf_sintrovae.data import registry
from tf_sintrovae.errors import UserError

_SECONDS = 30  # for a file of some kilobytes, on a busy machine
OPTIONS = st.fixed_dictionaries(
    {
        "image_size": st.sampled_from((*(None,) * 8, 1, 8)),
        "seed": st.sampled_from((0, 1, 2**40)),
        "max_data_gib": st.sampled_from((*(8.0,) * 8, 1e-7)),
    }
)


@contextlib.contextmanager
def no_hang():
    """Fails what takes much too long."""

    def stop(number, frame):
        raise AssertionError(f"no end within {_SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def assert_valid(source):
    """What every data set owes: finite examples in range, labels among the classes, batches."""
    assert source.num_train > 0 and len(source.class_names) == source.num_classes
    for split in ("train", "test"):
        x, y = source.examples(split)
        assert x.dtype == np.float32 and x.shape == (len(y), *source.shape) and len(y)
        assert np.isfinite(x).all()
        assert not source.is_image or (0 <= x.min() <= x.max() <= 1 and source.shape[2] in (1, 3))
        assert y.dtype == np.int32 and 0 <= y.min() <= y.max() < max(1, source.num_classes)
    for low, high in source.plot_range or ():
        assert np.isfinite([low, high]).all() and low < high


def load(write, options) -> str:
    """Writes and loads; what came of it. Nothing may be left beside the files."""
    with tempfile.TemporaryDirectory() as folder, no_hang():
        name, path = write(pathlib.Path(folder))
        before = sorted(pathlib.Path(folder).rglob("*"))
        try:
            assert_valid(registry.load(name, path, **options))
            outcome = "loaded"
        except UserError as error:
            assert len(str(error).splitlines()) == 1, str(error)
            assert "allow_pickle" not in str(error) and len(str(error)) < 1000
            outcome = "refused"
        assert sorted(pathlib.Path(folder).rglob("*")) == before
        return outcome


def run(kind: str, count: int) -> None:
    outcomes = collections.Counter()

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(generated.KINDS[kind], OPTIONS)
    def each(write, options):
        outcomes[load(write, options)] += 1

    each()
    print(f"\n{kind}: {outcomes.total()} generated inputs, {dict(outcomes)}")
    assert outcomes.total() >= count
    assert min(outcomes["loaded"], outcomes["refused"]) > count / 20


@pytest.mark.parametrize("kind", generated.KINDS)
def test_generated_data_are_loaded_or_refused(kind):
    run(kind, 40)


@pytest.mark.slow
@pytest.mark.parametrize("kind", generated.KINDS)
def test_many_generated_data_are_loaded_or_refused(kind):
    run(kind, 300)
