"""The benchmarks run, at sizes of no interest."""

import json
import os
import time

import pytest
import tensorflow as tf

from benchmarks import (
    batch_norm,
    export,
    harness,
    kernels,
    monitoring,
    scaling,
    step_profile,
    training_step,
)

TINY = ((2,), 8, 2, 3, (4,), {"beta_neg": 1.0})


def test_kernels():
    row = kernels.speed(5, 3, 50, repeats=1)
    assert row["kernel ms"] > 0
    assert row["error nats"] < 1e-4
    rows = kernels.sweep("N", [kernels.cost(3, 2, size) for size in (40, 80)])
    assert [row["N"] for row in rows] == [40, 80]


@pytest.mark.parametrize("stage", ["vae", pytest.param("introspective", marks=pytest.mark.slow)])
def test_training_step(stage, monkeypatch):
    monkeypatch.setattr(training_step, "SETTINGS", {"tiny": TINY})
    monkeypatch.setattr(training_step, "REPEATS", {"tiny": 1})
    monkeypatch.setattr(training_step, "STAGES", (stage,))
    (row,) = training_step.measure(["tiny"])
    assert row["naive/mixture"] > 0
    assert row["mixture/compiled"] > 0
    (across,) = training_step.compare_shipped({"0": [row], "1": [row]})
    assert across["naive off/mixture on"] == row["naive/mixture"]


def test_step_profile(monkeypatch):
    monkeypatch.setattr(training_step, "SETTINGS", {"tiny": TINY})
    rows = {row["kind"]: row for row in step_profile.measure("tiny", steps=2)}
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)
    # Log-densities of two calls, gradients of each where one is needed, and two draws of noise.
    assert rows["compiled kernels and noise"]["operations a step"] >= 6
    assert rows["dense and convolutional layers"]["operations a step"] >= 20


def test_export(monkeypatch):
    monkeypatch.setattr(export, "SETTINGS", {"tiny": ((4, 4, 1), 2, 3, (3,))})
    rows = export.measure("tiny", repeats=1)
    assert [row["signature"] for row in rows] == list(export.SIGNATURES)
    assert all(row["first call, worst ms"] > 0 for row in rows)


def test_scaling_by_hand():
    """10 MB over 1 GB/s: a ring of two passes each byte once, of many twice; a step of 90 ms."""
    step = scaling.Step(seconds=0.09, gradient_bytes=10**7, reductions=1)
    assert step.communication_seconds(1, 1e9, 1e-3) == 0.0
    assert step.communication_seconds(2, 1e9, 0.0) == pytest.approx(0.010)
    assert step.communication_seconds(2, 1e9, 1e-3) == pytest.approx(0.012)
    assert step.efficiency(2, 1e9, 0.0, same_batch=False) == pytest.approx(0.9)
    assert step.efficiency(2, 1e9, 0.0, same_batch=True) == pytest.approx(45 / 55)
    assert step.most_replicas(1e9, 0.0, same_batch=False) == 2
    assert step.most_replicas(1e9, 0.0, same_batch=True) == 1
    assert step.most_replicas(1e12, 0.0, same_batch=False) == 1024


def test_scaling_counts_the_gradients_of_all_players(monkeypatch):
    monkeypatch.setattr(scaling, "SETTINGS", {"tiny": TINY})
    encoder, decoder, mixture = 2 * 4 + 4 + 2 * (4 * 2 + 2), 2 * 4 + 4 + 4 * 2 + 2, 3 * (2 + 2 + 1)
    assert scaling.count_gradient_bytes("tiny") == 4 * (encoder + decoder + mixture)
    assert len(scaling.rows(scaling.Step(0.01, 1000), (1.0, 10.0), 1e-5)) == 2


def test_batch_norm():
    row = batch_norm.measure((2, 4, 4, 3))
    assert row["keras/fused"] == pytest.approx(row["keras ms"] / row["fused ms"])


def test_both_settings_of_onednn_are_run_and_told(monkeypatch, capsys):
    monkeypatch.setattr(harness, "in_process", lambda *given: [{"given": " ".join(given)}])
    results = harness.compare_onednn("a.benchmark", "--size=1")
    assert results["onednn"] == {
        onednn: [{"given": f"a.benchmark {onednn} --size=1"}] for onednn in ("0", "1")
    }
    printed = capsys.readouterr().out
    assert printed.startswith(results["machine"])
    for onednn in ("0", "1"):
        assert f"TF_ENABLE_ONEDNN_OPTS={onednn}" in printed and f" {onednn} --size=1" in printed


@pytest.mark.parametrize("benchmark", [batch_norm, export, step_profile, training_step])
def test_a_benchmark_prints_and_writes_what_its_processes_give(benchmark, monkeypatch, tmp_path):
    row = {"setting": "s", "stage": "vae", "naive s": 3.0, "mixture s": 2.0}
    monkeypatch.setattr(harness, "in_process", lambda module, onednn, *given: [row])
    output = tmp_path / "results.json"
    monkeypatch.setattr("sys.argv", ["benchmark", f"--output={output}"])
    benchmark.main()
    assert json.loads(output.read_text())["onednn"] == {"0": [row], "1": [row]}


@pytest.mark.parametrize("benchmark", [batch_norm, export, step_profile, training_step])
def test_a_child_writes_its_rows(benchmark, monkeypatch, tmp_path):
    monkeypatch.setattr(benchmark, "measure", lambda *given: [{"a": 1.0}])
    output = tmp_path / "rows.json"
    monkeypatch.setattr("sys.argv", ["benchmark", f"--child={output}"])
    benchmark.main()
    assert "1.0" in output.read_text()


def test_growth_of_memory_is_seen():
    def hold():
        block = b"1" * (64 * 2**20)
        time.sleep(0.5)  # lets the watching thread look
        assert block

    grown = harness.peak_growth(hold)
    assert 32 * 2**20 < grown < 512 * 2**20


def test_memory_of_a_gpu_is_its_own(monkeypatch):
    memory = {"current": 10, "peak": 10}
    config = tf.config.experimental
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    monkeypatch.setattr(config, "reset_memory_stats", lambda device: None)
    monkeypatch.setattr(config, "get_memory_info", lambda device: dict(memory))
    assert harness.peak_growth(lambda: memory.update(peak=35)) == 25


def test_the_machine_is_named(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho NVIDIA Card\n")
    tool.chmod(0o755)
    assert "NVIDIA Card" not in harness.machine()
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert f"{os.cpu_count()} cores, NVIDIA Card, load" in harness.machine()


def test_results_are_written_whole(tmp_path):
    path = tmp_path / "results.json"
    harness.write_json(str(path), [{"a": 1.0}])
    assert json.loads(path.read_text()) == [{"a": 1.0}]
    assert harness.table([{"a": 1.0, "b": None}]).split() == ["a", "b", "1", "-"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def test_monitoring():
    rows = monitoring.measure("digits")
    assert [row["part"] for row in rows] == ["20 scalars", "histograms", "pictures", "projector"]
    assert all(row["kB"] > 0 for row in rows)
