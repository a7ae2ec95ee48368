"""The report of a run: what is on it, that it stands alone, that nothing in a file can spoil it, its size."""

import dataclasses
import json

import pytest

from tests.support.html_pages import assert_stands_alone
from tests.support.made_runs import SETTINGS, append, make_run, picture, rows
from tf_sintrovae.reporting import pictures
from tf_sintrovae.reporting.cautions import find_cautions
from tf_sintrovae.reporting.page import duration, report_page
from tf_sintrovae.reporting.run_files import read_run

RECORD = {
    "state": "finished",
    "starts": 2,
    "started": "2026-01-31T12:00:00+00:00",
    "seconds": 7384.2,
    "machine": {"processor": "a processor", "cores": 2, "memory_gib": 23.5, "devices": ["a GPU"]},
    "versions": {"tensorflow": "2.21.0"},
}
RESULTS = {
    "epoch": 6,
    "seeds": [0, 1],
    "metrics": {
        "elbo_test": -80.25,
        "fid/digits-classifier": 62.5,
        "fid_floor/digits-classifier": 2.25,
        "fid_reconstruction/digits-classifier": 32.5,
        "component_share/0": 0.125,
        "mine": 1.5,
    },
    "spread": {"elbo_test": 0.5},
}
COMPONENTS = {
    **{"num_components": 10, "inactive": 0, "inactive_by_responsibility": 0},
    **{"components": [1, 0], "weights": [0.75, 0.25], "responsibilities": [0.5, 0.5]},
}


def page_of(folder):
    return assert_stands_alone(report_page(read_run(folder)))


def test_everything_that_is_known_of_a_run_is_on_the_page(tmp_path):
    run = make_run(tmp_path / "mine", run=RECORD, results=RESULTS, components=COMPONENTS)
    for name in pictures.CAPTIONS:
        picture(run / "figures" / f"{name}.png")
    page = page_of(run)
    for part in (
        "mine finished epoch 6 of 6, introspective stage",
        "digits: 1,437 training examples of shape 8x8x1",
        "2 h 03 min in all, begun 2026-01-31 12:00 UTC, started 2 times",
        "a processor, 2 cores, 23.5 GiB, a GPU",
        "tensorflow 2.21.0",
        "epochs 6 110 epochs in all",
        "python -m tf_sintrovae.main --preset=digits --seed=7 --epochs=6 --vae_epochs=3 "
        "--mixture_warmup_epochs=1 --widths= --workdir=FOLDER",
        "Decoder and prior: they step together",
        "exp_elbo_fake exponential term of samples",
        "elbo_test -80.25 ± 0.5 Evidence lower bound",
        "fid/digits-classifier 62.5 2.25 Distance of the distributions",
        "means over 2 evaluation seeds",
        "mine 1.5",  # a metric that nobody has explained
        "10 components, heaviest first",
        *pictures.CAPTIONS.values(),
    ):
        assert part in page.text, part
    assert "component_share" not in page.text and "To look at" not in page.text
    assert page.pictures() == [(run / "figures/samples.png").read_bytes()] * len(pictures.CAPTIONS)
    assert page.tags.count("svg") == 11  # ten metrics, and the bars


def test_a_run_that_has_just_begun_has_a_page(tmp_path):
    page = page_of(make_run(tmp_path / "run", epochs=0))
    assert "epoch 0 of 6" in page.text and "No epoch is complete yet." in page.text


def test_a_run_that_goes_on_is_loaded_again_by_the_browser(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run", epochs=0, run={"state": "running", "examples_per_second": 123})
    refresh = ("meta", "http-equiv", "refresh")
    assert refresh not in page_of(run).attributes
    monkeypatch.setattr("tf_sintrovae.reporting.state.is_in_use", lambda root: True)
    page = page_of(run)
    assert refresh in page.attributes and "123 examples/s" in page.text


def test_pictures_of_training_come_before_those_of_an_earlier_end(tmp_path):
    run = make_run(tmp_path / "run", epochs=0)
    picture(run / "figures" / "samples.png", (0, 0, 0))
    picture(run / "snapshots" / "samples.png", (255, 255, 255))
    picture(run / "snapshots" / ".begun.png")
    assert page_of(run).pictures() == [(run / "snapshots/samples.png").read_bytes()]


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"0" * 50])
def test_pictures_that_cannot_be_shown_are_named(tmp_path, content):
    run = make_run(tmp_path / "run", epochs=0)
    (run / "figures").mkdir()
    (run / "figures" / "samples.png").write_bytes(content)
    page = page_of(run)
    assert "samples.png is too large, or damaged" in page.text and not page.pictures()


def test_a_picture_that_is_too_large_is_left_out(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run", epochs=0)
    picture(run / "figures" / "samples.png")
    monkeypatch.setattr(pictures, "LARGEST", 10)
    assert "too large" in page_of(run).text


EVIL = '<script>alert(\'"&")</script><img src=x onerror=y>'


def test_whatever_stands_in_files_is_text(tmp_path):
    settings = dataclasses.replace(SETTINGS, data_dir=EVIL)
    run = make_run(
        tmp_path / "<b>&run",
        settings=settings,
        run=RECORD | {"machine": {"processor": EVIL}, "versions": {EVIL: EVIL}, "reason": EVIL},
        results={"metrics": {EVIL: 1.0}, "errors": {EVIL: EVIL}, "epoch": EVIL},
        components=COMPONENTS | {"num_components": EVIL},
        data={"shape": [EVIL], "count": 3},
    )
    append(run / "history.jsonl", *rows(7)[6:], {"epoch": 8, "stage": EVIL, EVIL: 1.0})
    append(run / "history.jsonl", {"event": "diverged", "step": EVIL, "terms": [EVIL]})
    (run / "best").mkdir()
    (run / "best" / "best.json").write_text(json.dumps({"value": 1.0, "metric": EVIL}))
    page = page_of(run)
    assert page.text.count("<script>") > 8
    assert "<b>&run" in page.text


@pytest.mark.parametrize("name", ["results", "results_best", "data", "components", "run"])
@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[" * 100_000, '{"metrics": 3, "shape": 3, "seeds": {}, "machine": []}']
)
def test_damaged_files_cost_no_more_than_what_they_held(tmp_path, name, text):
    run = make_run(tmp_path / "run", epochs=0)
    (run / f"{name}.json").write_text(text)
    page = page_of(run)
    assert "epoch 0 of 6" in page.text
    if name != "run" and text != '{"metrics": 3, "shape": 3, "seeds": {}, "machine": []}':
        assert f"Cannot be read and is left out: {name}.json" in page.text


def cautions(folder):
    return " ".join(caution.sentence for caution in find_cautions(read_run(folder)))


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"components": COMPONENTS | {"inactive": 3}}, "3 of 10 components have a weight under"),
        (
            {"results": {"metrics": {"inactive_components": 2.0}}},
            "2 of 10 components have a weight",
        ),
        (
            {"components": COMPONENTS | {"inactive_by_responsibility": 4}},
            "4 of 10 components have a share of the data under",
        ),
        ({"results": {"errors": {"iwae": "it failed"}}}, "The metrics iwae failed: it failed"),
        ({"results_best": {"errors": {"fid": "so"}}}, "fid of the best checkpoint failed: so"),
        # rec is 0.506 in the last epoch: 64 pixels of 0.0237 are three times as much.
        ({"results": {"metrics": {"mse_train": 0.0237}}}, "3.0 times the error"),
        (
            {"results": {"metrics": {"fid/x": 8.0, "fid_batch_statistics/x": 5.0}}},
            "fid/x is 8, but 5 with each batch's own",
        ),
        ({"run": {"state": "failed", "reason": "no memory"}}, "no memory"),
    ],
)
def test_cautions_by_the_files(tmp_path, files, text):
    assert text in cautions(make_run(tmp_path / "run", **files))
    assert not cautions(make_run(tmp_path / "sound"))


def test_cautions_by_the_history(tmp_path):
    run = make_run(tmp_path / "run", epochs=0)
    terms = {"exp_elbo_fake": 1e-9, "exp_elbo_rec": 0.999}
    made = [row | terms for row in rows(6)]
    event = {"event": "rollback", "step": 12, "to": 11, "rate_factor": 0.5}
    append(run / "history.jsonl", *made[:2], event, *made[2:])
    with (run / "history.jsonl").open("a") as file:
        file.write("damaged\n")
    text = cautions(run)
    assert "exp_elbo_fake is 1e-09: the encoder's exponential term of samples has vanished" in text
    assert "exp_elbo_rec is 1, nearly its greatest" in text
    assert "rollbacks: 1" in text
    assert "lines of history.jsonl that are left out: 1." in text


def test_a_term_that_outgrows_all_others_is_a_caution(tmp_path):
    run = make_run(tmp_path / "run", epochs=0)
    append(run / "history.jsonl", *[row | {"exp_elbo_fake": 3e5} for row in rows(6)])
    assert "exp_elbo_fake is 3e+05, far over 1" in cautions(run)


def test_a_long_run_has_no_larger_page_than_a_short_one(tmp_path):
    sizes = []
    for epochs in (1_000, 10_000):
        settings = dataclasses.replace(SETTINGS, epochs=epochs, vae_epochs=epochs // 2)
        run = make_run(tmp_path / str(epochs), epochs, settings)
        sizes.append(len(report_page(read_run(run))))
    assert sizes[1] < 1.3 * sizes[0] < 400_000


@pytest.mark.parametrize(
    ("seconds", "text"), [(7.6, "0 min 08 s"), (185, "3 min 05 s"), (93_784, "26 h 03 min")]
)
def test_times_in_words(seconds, text):
    assert duration(seconds) == text
