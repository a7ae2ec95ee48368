"""What an evaluation tells while it goes on, with a clock that only the work moves."""

import io

import numpy as np
import pytest

from tests.support.linear_model import LinearModel
from tf_sintrovae import evaluation
from tf_sintrovae.data.sources.arrays import ArraySource
from tf_sintrovae.evaluation import groups, outcome, results
from tf_sintrovae.evaluation.context import Context
from tf_sintrovae.evaluation.feature_networks import classifier
from tf_sintrovae.evaluation.options import Options
from tf_sintrovae.evaluation.progress import ProgressLines, tracked, untracked

NAMES = ("elbo", "iwae", "drift", "representation", "components")
X = np.random.default_rng(0).uniform(size=(40, 3, 3, 1)).astype(np.float32)
SOURCE = ArraySource("noise", X, np.arange(40) % 2, X, np.arange(40) % 2)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


def slow_items(clock, count, seconds):
    """Numbers, each of which costs the clock so many seconds after it was passed on."""
    for i in range(count):
        yield i
        clock.seconds += seconds


def run_stage(clock, stream, count=10, seconds=4.0):
    """A metric with one stage."""
    lines = ProgressLines(0.0, stream, clock)
    lines("elbo")
    track = tracked(lambda *stage: lines("elbo", *stage))
    assert list(track(slow_items(clock, count, seconds), "scoring", count)) == list(range(count))
    return stream.getvalue()


def test_a_file_has_a_line_at_least_ten_seconds_after_the_one_before(clock):
    """Four seconds an item: lines after the third, sixth and ninth; at the end there is nothing to tell."""
    assert run_stage(clock, io.StringIO()).splitlines() == [
        "[   0 s] measuring elbo ...",
        "[  12 s] elbo: scoring, 30%, 0:00:28 left",
        "[  24 s] elbo: scoring, 60%, 0:00:16 left",
        "[  36 s] elbo: scoring, 90%, 0:00:04 left",
    ]


def test_short_stages_tell_nothing_in_a_file(clock):
    assert run_stage(clock, io.StringIO(), seconds=0.9).splitlines() == [
        "[   0 s] measuring elbo ..."
    ]


def test_the_time_left_is_that_of_the_stage(clock):
    """A second stage of the same name begins anew, too: what went before took none of its time."""
    run = run_stage(clock, io.StringIO(), seconds=1000.0)
    assert "10%, 2:30:00 left" in run
    lines = ProgressLines(0.0, stream := io.StringIO(), clock)
    for _ in range(2):
        lines("elbo", "scoring", 0, 4)
        clock.seconds += 100.0
        lines("elbo", "scoring", 1, 4)
        clock.seconds += 10_000.0
    assert stream.getvalue().count("scoring, 25%, 0:05:00 left") == 2


def test_a_terminals_line_is_redrawn_stays_in_its_width_and_vanishes(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    text = run_stage(clock, Terminal(), count=3)
    begun, drawn = text.split("\n")
    assert begun == "[   0 s] measuring elbo ..."
    *shown, last, end = drawn.split("\r")[1:]
    assert [line.rstrip() for line in shown] == [
        "  elbo: scoring, 0%",
        "  elbo: scoring, 33%, 0:00:08",
        "  elbo: scoring, 67%, 0:00:04",
    ]
    assert {len(line) for line in shown} == {29}
    assert last.isspace() and end == ""


def test_a_stage_that_breaks_off_leaves_no_line_on_the_terminal(clock):
    lines = ProgressLines(0.0, stream := Terminal(), clock)
    track = tracked(lambda *stage: lines("elbo", *stage))
    items = track(slow_items(clock, 3, 1.0), "scoring", 3)
    next(items)
    assert stream.getvalue().rstrip().endswith("scoring, 0%")
    items.close()
    assert stream.getvalue().split("\r")[-2].isspace()


def test_untracked_items_are_passed_on():
    assert list(untracked(range(3), "scoring", 3)) == [0, 1, 2]


def test_long_metrics_tell_each_of_their_steps(tmp_path, monkeypatch):
    """Each group that goes through the data, or searches neighbours, has stages that reach their end."""
    monkeypatch.setattr(classifier, "_STEPS", 20)
    told = {}

    def progress(name, stage="", done=0, total=0):
        told.setdefault(name, []).append((stage, done, total))

    names = (*NAMES, "sample_quality", "reconstruction_quality")
    options = Options(cache_dir=tmp_path, iwae_images=3, iwae_samples=4)
    taken = evaluation.measure(
        LinearModel((3, 3, 1), offset=0.5), SOURCE, names, progress=progress, options=options
    )
    assert taken.errors == {} and list(told) == list(names)
    stages = {name: {stage for stage, *_ in calls[1:]} for name, calls in told.items()}
    assert all(calls[0] == ("", 0, 0) for calls in told.values())
    assert stages["elbo"] == {"scoring the train set", "scoring the test set"}
    assert [call[1:] for call in told["iwae"][1:]] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert stages["drift"] == {
        "encoding the test set",
        "reconstructing",
        "encoding reconstructions",
    }
    assert stages["representation"] == {"encoding the train set", "k-NN", "SVM, few", "SVM, many"}
    assert stages["components"] == {f"responsibilities of the {s} set" for s in ("train", "test")}
    neighbours = {
        "neighbours of real images",
        "neighbours of samples",
        "samples among real images",
    }
    assert stages["sample_quality"] == neighbours | {
        "training the classifier",
        "features of real images",
        "drawing samples",
    }
    # Neighbours of real images, their features and posteriors are known by then.
    assert stages["reconstruction_quality"] == neighbours - {"neighbours of real images"} | {
        "reconstructing"
    }
    for calls in told.values():
        for stage, _, total in calls:
            assert (stage, total, total) in calls


def test_seconds_of_each_group_are_recorded_and_printed(clock, monkeypatch):
    def metric(seconds):
        def take(context):
            clock.seconds += seconds
            return {f"metric_{seconds}": 1.0}

        return take

    collector = outcome.Collector(Options(), clock)
    for seed in (0, 1):
        context = collector.begin(Context(LinearModel((3, 3, 1)), SOURCE, seed))
        for name, seconds in (("short", 0.25), ("long", 21.5)):
            collector.take(name, metric(seconds), context)
    taken = collector.outcome(complete=True)
    assert taken.seconds == {"short": 0.5, "long": 43.0}
    assert results.table(taken).splitlines()[-1] == "  seconds: short 0.5, long 43.0"
    assert results.collect_results(taken, SOURCE, 0, 1, 1)["seconds"] == taken.seconds


def test_a_group_that_fails_took_its_time_as_well(clock):
    def fail(context):
        clock.seconds += 7.0
        raise ValueError("broken")

    collector = outcome.Collector(Options(), clock)
    context = collector.begin(Context(LinearModel((3, 3, 1)), SOURCE))
    collector.take("drift", fail, context)
    assert collector.outcome(complete=True).seconds == {"drift": 7.0}


def test_what_several_groups_need_is_computed_once(monkeypatch):
    """Posteriors and responsibilities of a split serve all groups."""
    calls = []
    model = LinearModel((3, 3, 1))
    for name, function in model.signatures.items():
        model._functions[name] = lambda *, n=name, f=function, **a: calls.append(n) or f(**a)
    names = ("components", "component_shares", "active_units")
    evaluation.evaluate(model, SOURCE, names)
    assert calls.count("encode") == 1 + 2  # the check of the model; train and test, a batch each
    assert calls.count("responsibilities") == 2
    assert set(names) <= set(groups.applicable(SOURCE))
