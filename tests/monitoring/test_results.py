"""HParams: settings and final metrics of each run, written anew at each start and end."""

import json

import numpy as np
import PIL.Image
import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata

from tests.support.tensorboard_events import scalars, series
from tf_sintrovae.config import Config
from tf_sintrovae.errors import UserError
from tf_sintrovae.monitoring import event_files, results
from tf_sintrovae.training.workdir import open_workdir


def write_results(folder, name="results.json", step=30, **metrics):
    (folder.root / name).write_text(json.dumps({"step": step, "metrics": metrics}))


@pytest.fixture
def opened(tmp_path):
    settings = Config(workdir=str(tmp_path / "run"), learning_rate=0.002, widths=(8, 16))
    with open_workdir(settings) as folder:
        yield folder, settings


def read(folder):
    """The settings that HParams shows, and how the run ended; None while it goes on."""
    reader = EventAccumulator(str(folder.tensorboard_results)).Reload()
    contents = reader.PluginTagToContent(metadata.PLUGIN_NAME)
    start = metadata.parse_session_start_info_plugin_data(contents[metadata.SESSION_START_INFO_TAG])
    values = {name: getattr(v, v.WhichOneof("kind")) for name, v in start.hparams.items()}
    if metadata.SESSION_END_INFO_TAG not in contents:
        return values, None
    end = metadata.parse_session_end_info_plugin_data(contents[metadata.SESSION_END_INFO_TAG])
    return values, end.status


def test_settings_are_shown_from_the_beginning_and_metrics_at_the_end(opened):
    folder, settings = opened
    with results.shown(folder, settings):
        shown, status = read(folder)
        assert status is None
        write_results(
            folder, **{"elbo_test": -80.5, "fid/inception": 3.0, "component_share/0": 1.0}
        )
        write_results(folder, "results_best.json", step=21, elbo_test=-80.0)
    assert shown == read(folder)[0] == results.hparams(settings)
    assert read(folder)[1] == api_pb2.STATUS_SUCCESS
    assert scalars(folder.tensorboard_results) == {
        "metrics/elbo_test": {30: -80.5},
        "metrics/fid/inception": {30: 3.0},
        "metrics_best/elbo_test": {21: -80.0},
    }


def test_settings_are_those_that_alter_what_is_trained(opened):
    values = results.hparams(opened[1])
    assert values["learning_rate"] == 0.002
    assert values["widths"] == "8,16"
    assert values["ema_decay"] == "none"
    assert values["clip_variance"] is True
    assert values["epochs"] == 110
    assert not {"workdir", "data_dir", "strategy", "checkpoint_seconds", "overwrite"} & set(values)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UserError("diverged"), api_pb2.STATUS_FAILURE),
        (SystemExit(130), None),
        (KeyboardInterrupt(), None),
    ],
)
def test_how_a_run_ended_is_shown(opened, error, status):
    folder, settings = opened
    with pytest.raises(type(error)), results.shown(folder, settings):
        raise error
    assert read(folder)[1] == status


def test_a_run_that_is_measured_again_has_one_point_a_metric(opened):
    folder, settings = opened
    for value in (1.0, 2.0):
        with results.shown(folder, settings):
            write_results(folder, elbo_test=value)
    assert scalars(folder.tensorboard_results) == {"metrics/elbo_test": {30: 2.0}}
    assert len(list(folder.tensorboard_results.iterdir())) == 1


def test_figures_are_shown(opened):
    folder, settings = opened
    PIL.Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(folder.figures / "samples.png")
    with results.shown(folder, settings):
        write_results(folder, elbo_test=1.0)
    ((step, (width, height, _)),) = series(folder.tensorboard_results)["figures/samples"]
    assert (step, int(width), int(height)) == (30, 4, 3)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"step": 1, "metrics": {"a": "b"}}', "{"])
def test_damaged_results_are_left_out(opened, content):
    folder, settings = opened
    folder.results.write_text(content)
    with results.shown(folder, settings):
        pass
    assert scalars(folder.tensorboard_results) == {}


def test_what_cannot_be_written_is_told_and_ends_nothing(opened, monkeypatch, caplog):
    folder, settings = opened

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(event_files, "replace", full)
    with results.shown(folder, settings):
        pass
    assert {record.getMessage() for record in caplog.records} == {
        "TensorBoard's results cannot be written, the run goes on: [Errno 28] No space left on device"
    }
