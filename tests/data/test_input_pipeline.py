"""The benchmark of the input pipeline runs, and the pipeline is never the bottleneck."""

import json
import subprocess
import sys

from tests.support.runs import ROOT

# Images a second; the introspective step takes under 50 on two CPU cores.
APPETITE = 1000


def test_the_pipeline_delivers_20_times_what_a_step_takes(tmp_path):
    output = tmp_path / "table.json"
    command = [sys.executable, "-m", "benchmarks.input_pipeline", f"--appetite={APPETITE}"]
    command += ["--seconds=0.5", f"--output={output}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = {row["dataset"]: row for row in json.loads(output.read_text())["rows"]}
    assert rows["fashion_mnist"]["ratio"] >= 20
    assert rows["cifar10"]["images_per_second"] > 0
    assert "fashion_mnist" in done.stdout
