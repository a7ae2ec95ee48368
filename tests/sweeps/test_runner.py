"""Jobs side by side, in processes that end as they like."""

import json
import os
import pathlib
import signal
import time

import pytest

from tests.support import fake_jobs
from tests.support.fake_jobs import make_sweep, record, run_all, started_apart, starts
from tf_sintrovae.sweeps import runner
from tf_sintrovae.sweeps.claim import claim
from tf_sintrovae.sweeps.folder import SweepFolder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(runner, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(runner, "_CLAIMED_POLL_SECONDS", 0.05)


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def table(root: pathlib.Path) -> list[str]:
    """The rows of the CSV without their times, which no two runs share."""
    lines = [line.split(",") for line in (root / "table.csv").read_text().splitlines()]
    seconds = lines[0].index("seconds")
    return [",".join(line[:seconds] + line[seconds + 1 :]) for line in lines]


def test_each_job_runs_once_and_a_second_start_runs_none(tmp_path, capsys):
    sweep = make_sweep()
    folder = run_all(tmp_path, sweep)
    assert starts(tmp_path) == [job.name for job in sweep.jobs]
    assert all(folder.is_finished(job) for job in sweep.jobs)
    said = capsys.readouterr().out
    assert "[6/6] b-seed2: finished in 0:00:0" in said
    assert "about 0:00:00 left" in said
    before = table(tmp_path)
    run_all(tmp_path, sweep)
    assert len(starts(tmp_path)) == 6
    assert table(tmp_path) == before


def test_throughput_is_said(tmp_path):
    folder = SweepFolder(tmp_path, "last")
    command = fake_jobs.fake_command(0.0)
    said = runner.Runner(make_sweep(seeds=[0]).jobs, folder, [{}, {}], command).run()
    assert said.startswith("2 runs in 0:00:0")
    assert "with jobs=2" in said and said.endswith("runs/h")


def test_jobs_side_by_side_share_the_threads(tmp_path):
    """Each of the two waits for the other."""
    sweep = make_sweep(("meet one", "meet two"), [0])
    folder = run_all(tmp_path, sweep, num_jobs=2)
    assert [folder.results(job)["versions"]["fake"] for job in sweep.jobs] == ["1.0 on 2"] * 2
    assert [record(folder, job.name)["threads"] for job in sweep.jobs] == [2, 2]


def test_a_failing_job_is_recorded_and_the_others_go_on(tmp_path, capsys):
    sweep = make_sweep(("a", "bad", "empty", "b"), [0])
    folder = run_all(tmp_path, sweep)
    states = [folder.is_finished(job) for job in sweep.jobs]
    assert states == [True, False, False, True]
    kept = record(folder, "bad-seed0")
    assert (kept["exit_code"], kept["last_line"]) == (2, "error: it cannot work")
    said = capsys.readouterr().out
    assert "bad-seed0: FAILED: exit code 2: error: it cannot work" in said
    assert "empty-seed0: FAILED: it ended with code 0, but without complete results" in said
    assert "bad-seed0,bad,0,failed" in (tmp_path / "table.csv").read_text()


def test_a_failed_job_is_tried_again_by_the_next_start(tmp_path):
    sweep = make_sweep(("a", "bad"), [0])
    folder = run_all(tmp_path, sweep)
    first = record(folder, "bad-seed0")
    run_all(tmp_path, sweep)
    assert starts(tmp_path) == ["a-seed0", "bad-seed0", "bad-seed0"]
    assert record(folder, "bad-seed0")["ended"] > first["ended"]


def test_a_job_that_another_stops_is_open_and_the_others_go_on(tmp_path, capsys):
    sweep = make_sweep(("stopped", "a"), [0])
    folder = run_all(tmp_path, sweep)
    assert [folder.is_finished(job) for job in sweep.jobs] == [False, True]
    assert folder.failure(sweep.jobs[0]) is None
    assert "stopped-seed0: FAILED: stopped by a signal from elsewhere" in capsys.readouterr().out


def test_results_of_other_settings_do_not_count(tmp_path):
    run_all(tmp_path, make_sweep())
    changed = make_sweep(settings={"epochs": 50})
    folder = SweepFolder(tmp_path, "last")
    assert not any(folder.is_finished(job) for job in changed.jobs)


def test_partial_and_damaged_results_do_not_count(tmp_path):
    sweep = make_sweep(seeds=[0])
    folder = run_all(tmp_path, sweep)
    one, other = ((folder.run(job) / "results.json") for job in sweep.jobs)
    one.write_text(json.dumps({"partial": True} | json.loads(one.read_text())))
    other.write_text(other.read_text()[:20])
    assert not any(folder.is_finished(job) for job in sweep.jobs)


def test_a_run_that_ended_unseen_is_found_by_its_settings(tmp_path):
    sweep = make_sweep(seeds=[0])
    folder = SweepFolder(tmp_path, "last")
    job, other = sweep.jobs
    for each, seed in ((job, 0), (other, 5)):
        workdir = folder.run(each)
        workdir.mkdir(parents=True)
        settings = json.loads(each.config.to_json()) | {"workdir": str(workdir), "seed": seed}
        (workdir / "config.json").write_text(json.dumps(settings))
        (workdir / "results.json").write_text('{"metrics": {"score": 1.0}}')
    assert folder.is_finished(job)
    assert not folder.is_finished(other)  # another seed
    os.utime(folder.run(job) / "results.json", (1, 1))  # the run was started again after them
    assert not folder.is_finished(job)


def test_two_processes_never_take_the_same_job(tmp_path):
    settings = {"variants": "abcdef", "seeds": [0, 1]}
    processes = [started_apart(tmp_path, 0.2, 2, **settings) for _ in range(2)]
    for process in processes:
        said, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert "[12/12]" in said  # both know of all in the end
    assert sorted(starts(tmp_path)) == sorted(job.name for job in make_sweep(**settings).jobs)
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 13


def test_a_claim_is_held_until_its_last_holder_ends(tmp_path):
    held = claim(tmp_path / "one.lock")
    assert held is not None and claim(tmp_path / "one.lock") is None
    copy = os.dup(held.fileno())
    held.close()
    assert claim(tmp_path / "one.lock") is None  # a child that outlives its parent
    os.close(copy)
    assert claim(tmp_path / "one.lock") is not None


def test_a_job_that_outlives_its_runner_keeps_its_claim(tmp_path):
    process = started_apart(tmp_path, 60.0, seeds=[0])
    wait_until(lambda: starts(tmp_path))
    child = int(pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
    process.kill()
    process.wait()
    lock = tmp_path / "claims" / f"{starts(tmp_path)[0]}.lock"
    assert claim(lock) is None
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: claim(lock) is not None)


def test_killed_in_the_middle_and_resumed_gives_the_same_table(tmp_path):
    settings = {"seeds": [0, 1, 2, 3]}
    run_all(tmp_path / "whole", make_sweep(**settings), num_jobs=2)
    root = tmp_path / "killed"
    process = started_apart(root, 0.3, 2, **settings)
    wait_until(lambda: len(starts(root)) >= 4)
    process.kill()
    process.wait()
    assert not (root / "table.csv").exists()
    run_all(root, make_sweep(**settings), num_jobs=2)
    assert table(root) == table(tmp_path / "whole")
    assert (root / "table.md").read_text() == (tmp_path / "whole" / "table.md").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_jobs_which_save(number, tmp_path):
    process = started_apart(tmp_path, 60.0, 2)
    wait_until(lambda: len(starts(tmp_path)) == 2)
    process.send_signal(number)
    said, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "error: interrupted\n")
    assert "stopping 2 runs, which save what they have" in said
    folder = SweepFolder(tmp_path, "last")
    for job in make_sweep().jobs[:2]:
        assert (record(folder, job.name)["exit_code"], folder.failure(job)) == (130, None)
        assert folder.log(job).read_text() == "saved\n"
    run_all(tmp_path, make_sweep())
    assert len(starts(tmp_path)) == 8


def test_the_last_line_of_a_log(tmp_path):
    path = tmp_path / "log.txt"
    assert runner.last_line(path) == ""
    path.write_bytes(b"x" * 20_000 + b"\nfirst\r  second\n\n")
    assert runner.last_line(path) == "second"
