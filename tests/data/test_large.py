"""Images that memory does not hold: 200,000 of 2.3 GiB, from disk, in bounded memory and in a fixed order."""

import json
import subprocess
import sys

import pytest

from tests.support.large_data import write_stripes
from tests.support.runs import ROOT

COUNT = 200_000

PROGRAM = """
import hashlib, json, resource, sys, time
from tf_sintrovae.data import registry
from tf_sintrovae.data.formats import prepared

folder, name = sys.argv[1:3]
batch_size, start, steps, shards, shard = map(int, sys.argv[3:])
prepared.MEMORY_LIMIT = 2**30  # lower than it is, so that the test needs less disk
source = registry.load(name, folder)


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


before, begun, hashes = peak_mib(), time.monotonic(), []
batches = source.train_batches(batch_size, 3, start, shards, shard)
for x, y in batches.take(steps).as_numpy_iterator():
    hashes.append(hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest())
seconds = time.monotonic() - begun
print(json.dumps({
    "kind": type(source).__name__, "count": source.num_train, "hashes": hashes,
    "rate": steps * batch_size / seconds, "growth": peak_mib() - before, "peak": peak_mib(),
}))
"""


def read(folder, name, *numbers):
    """What a process of its own sees of the stream."""
    command = [sys.executable, "-c", PROGRAM, str(folder), name, *map(str, numbers)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_200000_images_stream_in_bounded_memory_in_a_fixed_order(tmp_path):
    """More than one epoch; a stream begun in the second one has the same batches."""
    name, batch = write_stripes(tmp_path, COUNT), 500
    steps = COUNT // batch
    whole = read(tmp_path, name, batch, 0, steps + 20, 1, 0)
    assert whole["kind"] == "StreamSource"
    assert whole["count"] == COUNT
    assert len(set(whole["hashes"])) == steps + 20
    assert whole["growth"] < 1024, whole["growth"]  # of 2,344 MiB of pixels
    resumed = read(tmp_path, name, batch, steps + 5, 15, 1, 0)
    assert resumed["hashes"] == whole["hashes"][steps + 5 :]
    print(f"\n{whole['rate']:,.0f} images/s, {whole['growth']} MiB more, peak {whole['peak']} MiB")
