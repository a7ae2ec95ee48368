"""Data prepared by TFDS, from memory and from disk; what happens without a network."""

import dataclasses
import http.server
import itertools
import logging
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tests.data import samples
from tf_sintrovae.data import names, registry
from tf_sintrovae.data.formats import downloads, prepared
from tf_sintrovae.data.sources.streams import StreamSource
from tf_sintrovae.errors import UserError

UNREACHABLE = "http://127.0.0.1:9/file.gz"  # nothing listens on the port of "discard"


class Bars(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A small data set of `samples.images`, as a user of TFDS would write it."""

    VERSION = tfds.core.Version("1.0.0")
    SHAPE = (12, 12, 3)
    SPLITS = ("train", "test")

    def _info(self):
        shape = self.SHAPE if self.SHAPE else (None, None, 3)
        features = {
            "image": tfds.features.Image(shape=shape),
            "label": tfds.features.ClassLabel(names=[f"bar {i}" for i in range(10)]),
            "notes": tfds.features.Sequence(np.int64),  # of another length in every example
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in self.SPLITS}

    def _generate_examples(self, split):
        for i, (x, y) in enumerate(zip(*split_images(split), strict=True)):
            x = x if self.SHAPE else x[: 12 - i % 3]
            yield i, {"image": x, "label": int(y), "notes": list(range(i % 4))}


class Ragged(Bars, skip_registration=True):
    """Images of various sizes, and a training split only."""

    SHAPE = None
    SPLITS = ("train",)


def split_images(split):
    return samples.images(60 if split == "train" else 20, (12, 12, 3), seed=len(split))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    for builder in (Bars, Ragged, tfds.testing.DummyMnist, tfds.testing.DummyDataset):
        builder(data_dir=folder).download_and_prepare()
    return folder


def pairs(examples):
    """Images and labels as a set, for TFDS stores them in an order of its own."""
    bytes_ = np.round(examples[0] * 255).astype(np.uint8)
    return {(x.tobytes(), int(y)) for x, y in zip(bytes_, examples[1], strict=True)}


def expected(split):
    x, y = split_images(split)
    return {(image.tobytes(), int(label)) for image, label in zip(x, y, strict=True)}


def test_any_prepared_data_set_is_found_by_its_name(data_dir, caplog):
    caplog.set_level(logging.INFO, "tf_sintrovae.data")
    source = registry.load("bars", data_dir)
    assert source.shape == (12, 12, 3) and source.num_train == 60 and source.num_classes == 10
    assert source.class_names[3] == "bar 3"
    for split in ("train", "test"):
        assert pairs(source.examples(split)) == expected(split)
    assert "data prepared by TFDS in" in caplog.text and str(data_dir) in caplog.text


def test_reading_twice_gives_the_same_order(data_dir):
    first, second = (registry.load("bars", data_dir).examples("train") for _ in range(2))
    np.testing.assert_array_equal(first.x, second.x)


def test_prepared_data_come_before_archives(data_dir, tmp_path, caplog):
    """`DummyMnist` is not `mnist`; a copy under that name is."""
    caplog.set_level(logging.INFO, "tf_sintrovae.data")
    mnist = type("Mnist", (tfds.testing.DummyMnist,), {"name": "mnist"}, skip_registration=True)
    samples.write_idx(tmp_path, 30, 20)
    assert registry.load("mnist", tmp_path).num_train == 30
    mnist(data_dir=tmp_path).download_and_prepare()
    source = registry.load("mnist", tmp_path)
    assert source.num_train == 20 and source.examples("test").x.min() == np.float32(1 / 255)
    assert "original archives" in caplog.messages[0]
    assert "prepared by TFDS" in caplog.messages[-1]


def test_images_of_various_sizes_and_no_test_split(data_dir):
    with pytest.raises(UserError, match="ragged has images of various sizes: give an image_size"):
        registry.load("ragged", data_dir)
    source = registry.load("ragged", data_dir, image_size=8)
    assert source.shape == (8, 8, 3)
    train, test = source.examples("train"), source.examples("test")
    assert (len(train.x), len(test.x)) == (54, 6)
    assert not pairs(train) & pairs(test)


def test_a_data_set_without_images_is_refused(data_dir):
    with pytest.raises(UserError, match="dummy_dataset has no images, only id"):
        registry.load("dummy_dataset", data_dir)


def test_damaged_prepared_data_are_named(data_dir, tmp_path):
    Bars(data_dir=tmp_path).download_and_prepare()
    (record,) = (tmp_path / "bars").rglob("*train*tfrecord*")
    data = bytearray(record.read_bytes())
    data[len(data) // 2] ^= 1
    record.write_bytes(bytes(data))
    with pytest.raises(UserError, match=r"bars.*1.0.0: damaged data prepared by TFDS"):
        registry.load("bars", tmp_path)


def test_missing_records_are_noticed(tmp_path):
    Bars(data_dir=tmp_path).download_and_prepare()
    (path,) = (tmp_path / "bars").rglob("*train*tfrecord*")
    records = list(tf.data.TFRecordDataset(path).take(50).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    with pytest.raises(
        UserError, match=r"1.0.0: damaged data prepared by TFDS \(Input.* 60 .* 50 elements\.\):"
    ):
        registry.load("bars", tmp_path)


@pytest.mark.parametrize("file", ["dataset_info.json", "features.json"])
def test_a_damaged_description_is_named(tmp_path, file):
    Bars(data_dir=tmp_path).download_and_prepare()
    (path,) = (tmp_path / "bars").rglob(file)
    path.write_text(path.read_text()[:50])
    with pytest.raises(UserError, match="bars: damaged data prepared by TFDS"):
        registry.load("bars", tmp_path)


@pytest.fixture
def stream(data_dir, monkeypatch):
    monkeypatch.setattr(prepared, "MEMORY_LIMIT", 0)
    source = registry.load("bars", data_dir)
    assert isinstance(source, StreamSource)
    return source


def test_data_beyond_memory_are_read_from_disk_and_are_the_same(stream, data_dir):
    for split in ("train", "test"):
        assert pairs(stream.examples(split)) == expected(split)
        parts = [len(part.x) for part in stream.batches(split, 16, limit=18)]
        assert parts == [16, 2]
    assert stream.class_names[9] == "bar 9" and stream.num_train == 60


def test_some_of_the_data_on_disk_are_a_seeded_sample_with_all_classes(stream, monkeypatch):
    decoded, split = [], stream._splits["train"]

    def decode(x, y):
        with tf.control_dependencies([tf.py_function(lambda: decoded.append(1), [], [])]):
            return split.decode(x, y)

    counting = dataclasses.replace(split, decode=decode)
    monkeypatch.setitem(stream._splits, "train", counting)
    chosen = [stream.examples("train", 20, seed) for seed in (0, 0, 1)]
    assert np.bincount(chosen[0].y).tolist() == [2] * 10
    assert pairs(chosen[0]) == pairs(chosen[1]) != pairs(chosen[2])
    assert pairs(chosen[0]) <= expected("train") and len(pairs(chosen[0])) == 20
    parts = list(stream.batches("train", 16, 20, seed=0))
    assert [len(part.x) for part in parts] == [16, 4]
    np.testing.assert_array_equal(np.concatenate([part.x for part in parts]), chosen[0].x)
    assert len(decoded) == 4 * 20  # the labels were read without decoding an image


def test_streams_shuffle_resume_and_shard(stream):
    def take(count, **kwargs):
        batches = stream.train_batches(16, **{"seed": 1, **kwargs})
        return [(x.numpy(), y.numpy()) for x, y in itertools.islice(batches, count)]

    whole = take(7)  # three batches an epoch
    epochs = [set.union(*map(pairs, whole[i : i + 3])) for i in (0, 3)]
    assert all(len(epoch) == 48 and epoch <= expected("train") for epoch in epochs)
    assert not np.array_equal(whole[0][0], whole[3][0])
    assert not np.array_equal(whole[0][0], take(1, seed=2)[0][0])
    assert whole[0][0].dtype == np.float32 and whole[0][1].dtype == np.int32
    for start in (1, 3, 5):
        for ours, theirs in zip(take(2, start_step=start), whole[start:], strict=False):
            np.testing.assert_array_equal(ours[0], theirs[0])
            np.testing.assert_array_equal(ours[1], theirs[1])
    shards = [take(1, start_step=4, num_shards=2, shard=i)[0][0] for i in range(2)]
    np.testing.assert_array_equal(np.concatenate(shards), whole[4][0])
    for global_seed in (0, 5):
        tf.random.set_seed(global_seed)
        for ours, theirs in zip(take(4), whole, strict=False):
            np.testing.assert_array_equal(ours[0], theirs[0])


def test_a_streams_fingerprint_is_of_its_stored_examples(stream, data_dir):
    found = stream.fingerprint()
    assert (found["count"], found["shape"]) == (stream.num_train, list(stream.shape))
    assert found == stream.fingerprint()
    splits = dict(stream._splits)
    splits["train"] = splits["test"]
    other = StreamSource("other", *splits.values(), stream.shape, stream.class_names)
    assert other.fingerprint()["content"] != found["content"]


def test_a_stream_refuses_too_large_a_batch(stream):
    with pytest.raises(UserError, match="60 training examples, fewer than batch_size=61"):
        stream.train_batches(61, 0)


@pytest.mark.parametrize("name", ["fmnist", "cifar10", "horses_or_humans"])
def test_without_network_and_files_it_says_so_in_seconds(tmp_path, monkeypatch, name):
    monkeypatch.setattr(downloads, "_ask", lambda url: "no route to host")
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", lambda *a, **k: 1 / 0)
    start = time.monotonic()
    with pytest.raises(UserError) as caught:
        registry.load(name, tmp_path)
    assert time.monotonic() - start < 10
    message, canonical = str(caught.value), names.canonical(name)
    assert "no route to host" in message and f"{canonical}/ there" in message
    if name == "fmnist":
        assert all(file in message for file in samples.IDX_NAMES)
        assert str(tmp_path / "fashion_mnist") in message
    if name == "cifar10":
        assert "cifar-10-binary.tar.gz, or cifar-10-python.tar.gz" in message


def test_a_download_that_breaks_off_is_one_line(tmp_path, monkeypatch):
    def breaks_off(*args, **kwargs):
        raise OSError("connection\nreset")

    monkeypatch.setattr(downloads, "_ask", lambda url: None)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", breaks_off)
    with pytest.raises(UserError, match=r"mnist could not be downloaded \(connection reset\)"):
        registry.load("mnist", tmp_path)


def test_a_working_download_is_prepared_and_read(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "_ask", lambda url: None)
    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: Bars(data_dir=data_dir))
    source = registry.load("bars", tmp_path)
    assert pairs(source.examples("test")) == expected("test")
    assert list((tmp_path / "bars").rglob("dataset_info.json"))


def test_data_dir_must_be_a_folder_and_may_be_set_by_tfds_variable(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UserError, match="file is a file: give the folder"):
        registry.load("mnist", file)
    samples.write_idx(tmp_path / "mnist", 10, 10)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert registry.load("mnist").num_train == 10


def test_a_data_set_that_downloads_nothing_needs_no_network(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "_ask", lambda url: "no route to host")
    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: Bars(data_dir=data_dir))
    assert registry.load("bars", tmp_path).num_train == 60


class _Server(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, *args):
        """Stays silent."""


@pytest.mark.parametrize(
    ("status", "reachable"), [(200, True), (405, True), (403, False), (404, False)]
)
def test_what_a_server_answers(status, reachable):
    with http.server.HTTPServer(("127.0.0.1", 0), _Server) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        answer = downloads.find_obstacle(f"http://127.0.0.1:{server.server_port}/{status}")
    assert answer is None if reachable else str(status) in answer


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)


def test_an_obstacle_is_found_quickly(monkeypatch):
    start = time.monotonic()
    assert "refused" in downloads.find_obstacle(UNREACHABLE)
    monkeypatch.setattr(downloads, "_TIMEOUT", 0.2)
    monkeypatch.setattr(downloads, "_ask", lambda url: time.sleep(5))
    assert downloads.find_obstacle(UNREACHABLE) == f"{UNREACHABLE}: no answer in 0.2 s"
    assert time.monotonic() - start < 4
