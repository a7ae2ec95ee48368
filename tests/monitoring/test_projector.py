"""What the embedding projector reads: latents, labels, sprites, all of the same points in the same order."""

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.plugins.projector import projector_plugin
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from tf_sintrovae.data import registry
from tf_sintrovae.monitoring import projector

K, L = 5, 3
LOG_WEIGHTS = np.log(np.array([0.1, 0.4, 0.2, 0.25, 0.05], np.float32))
LOC = np.arange(K * L, dtype=np.float32).reshape(K, L)


def signatures(shape, log_weights=LOG_WEIGHTS, loc=LOC):
    """A model whose latents are the means of an example, and whose decoder paints the first latent."""

    def encode(x):
        mean = tf.reduce_mean(tf.reshape(x, (len(x), -1)), axis=1)
        return {"mean": tf.stack([mean] * loc.shape[1], axis=1)}

    def decode(z):
        return {"x": tf.ones((len(z), *shape)) * tf.reshape(z[:, 0] / 20, (-1, 1, 1, 1))}

    return {
        "prior": lambda: {"loc": tf.constant(loc), "log_weights": tf.constant(log_weights)},
        "encode": encode,
        "decode": decode,
        "responsibilities": lambda z: {"responsibilities": tf.one_hot([2] * len(z), len(loc))},
    }


def read_config(folder):
    return text_format.Parse((folder / projector.CONFIG).read_text(), ProjectorConfig())


@pytest.fixture(scope="module")
def digits():
    return registry.load("digits")


def test_latents_labels_and_sprites_are_of_the_same_points(digits, tmp_path):
    projector.write_projection(signatures(digits.shape), digits, tmp_path, 0)
    x, y = digits.examples("test", 2000, 0)
    (entry,) = read_config(tmp_path).embeddings
    latents = projector_plugin._read_tensor_tsv_file(str(tmp_path / entry.tensor_path))
    assert list(entry.tensor_shape) == [len(x) + K, L] == list(latents.shape)
    np.testing.assert_allclose(latents[: len(x), 0], x.mean(axis=(1, 2, 3)), rtol=1e-4)
    heaviest = [1, 3, 2, 0, 4]
    np.testing.assert_array_equal(latents[len(x) :], LOC[heaviest])

    header, *rows = (
        line.split("\t") for line in (tmp_path / entry.metadata_path).read_text().splitlines()
    )
    assert header == ["name", "class", "component"]
    assert [row[1] for row in rows] == [str(label) for label in y] + ["component"] * K
    assert [row[2] for row in rows] == ["2"] * len(x) + [str(k) for k in heaviest]
    assert rows[len(x)][0] == "component 1, weight 0.4"

    sheet = np.asarray(PIL.Image.open(tmp_path / entry.sprite.image_path))
    width, height = entry.sprite.single_image_dim
    columns = sheet.shape[1] // width
    assert columns**2 >= len(x) + K and max(sheet.shape) <= 8192

    def cell(index):
        row, column = divmod(index, columns)
        return sheet[row * height :, column * width :][:height, :width]

    for index in (0, 1, columns, len(x) - 1):
        shown = cell(index)[:: height // 8, :: width // 8, 0]
        np.testing.assert_array_equal(shown, (255 * x[index, ..., 0]).astype(np.uint8))
    for place, k in enumerate(heaviest):
        shown = cell(len(x) + place)
        assert (shown[0, 0] == projector._BORDER).all()
        assert shown[height // 2, width // 2, 0] == int(255 * min(1.0, LOC[k, 0] / 20))


def test_it_is_written_over_what_was_there(digits, tmp_path):
    for _ in range(2):
        projector.write_projection(signatures(digits.shape), digits, tmp_path, 0)
    assert {path.name for path in tmp_path.iterdir()} == {
        projector.CONFIG,
        projector.LATENTS,
        projector.LABELS,
        projector.SPRITES,
    }


def test_points_have_no_sprites(tmp_path):
    source = registry.load("rings")
    projector.write_projection(signatures(source.shape), source, tmp_path, 0)
    (entry,) = read_config(tmp_path).embeddings
    assert entry.tensor_shape[0] == 2000 + K
    assert not entry.HasField("sprite")
    assert not (tmp_path / projector.SPRITES).exists()


def test_many_components_and_dimensions_are_cut(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(projector, "_MOST_VALUES", 2**12)
    dim, count = 64, 300
    loc = np.zeros((count, dim), np.float32)
    weights = np.full(count, -np.log(count), np.float32)
    projector.write_projection(signatures(digits.shape, weights, loc), digits, tmp_path, 0)
    (entry,) = read_config(tmp_path).embeddings
    assert list(entry.tensor_shape) == [2 * 2**12 // dim, dim]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((8, 8, 1), (32, 32)), ((28, 28, 1), (28, 28)), ((200, 100, 3), (64, 32))],
)
def test_sprites_have_a_size_that_is_seen_and_that_a_sheet_can_hold(shape, expected):
    assert projector._sprite(np.full(shape, 0.5, np.float32)).shape == (*expected, 3)
