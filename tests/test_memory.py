"""Memory of an evaluation of the largest size that the paper asks for."""

import subprocess
import sys

import pytest

PROGRAM = """
import pathlib, resource, sys
import numpy as np
from tests.support.linear_model import LinearModel
from tf_sintrovae import evaluation
from tf_sintrovae.data.sources.arrays import ArraySource

rng = np.random.default_rng(0)
x = rng.integers(0, 256, (51_000, 28, 28, 1), np.uint8)
y = np.arange(len(x), dtype=np.int32) % 10
source = ArraySource("noise", x[:50_000], y[:50_000], x[50_000:], y[50_000:])
options = evaluation.Options(cache_dir=pathlib.Path(sys.argv[1]))
model = LinearModel(source.shape, offset=0.5)
metrics = evaluation.evaluate(model, source, ("sample_quality",), options=options)
assert np.isfinite(list(metrics.values())).all(), metrics
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "MiB")
"""


@pytest.mark.slow
def test_50000_samples_against_50000_images_stay_under_4_gib(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout.split()[-2])
    assert peak < 4096
