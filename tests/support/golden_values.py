"""The authors' model at fixed weights with recorded noise: weights and gradients in this project's layout."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from tf_sintrovae import networks
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.noise import DecoderNoise, EncoderNoise, VAENoise
from tf_sintrovae.objective import Objective
from tf_sintrovae.priors import MixturePrior

FOLDER = pathlib.Path(__file__).parents[1] / "golden"

_IMAGE_LAYERS = {
    "encoder": {
        "in": "main.0",
        "in_norm": "main.1",
        "block_1": "main.res_in_14",
        "block_out": "main.res_in_7",
        "posterior": "fc",
    },
    "decoder": {
        "in": "fc.0",
        "block_0": "main.res_in_4",
        "block_1": "main.res_in_8",
        "block_out": "main.res_in_16",
        "out": "main.predict",
    },
}
_BLOCK_LAYERS = {
    "expand": "conv_expand",
    "conv1": "conv1",
    "norm1": "bn1",
    "conv2": "conv2",
    "norm2": "bn2",
}
_WEIGHTS = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias"}


class GoldenCase:
    """One of the recorded cases, `mlp2d` or `image28`.

    Args:
        name: name of the case and its file.
        dtype: 'float64' or 'float32', the precision of the model under test.
        joint_batches: whether that model's networks take reconstructions and fakes as one batch.
        policy: Keras policy of that model's networks; that of `dtype` when None.
    """

    def __init__(
        self, name: str, dtype: str, joint_batches: bool = False, policy: str | None = None
    ):
        with np.load(FOLDER / f"{name}.npz") as archive:
            self.values = dict(archive)
        self.dtype, self._policy = dtype, policy
        self.joint_batches = joint_batches
        self.is_image = name == "image28"
        self.setting = {
            key.removeprefix("config/"): value.item()
            for key, value in self.values.items()
            if key.startswith("config/")
        }

    def tensor(self, key: str) -> tf.Tensor:
        """A recorded array in the precision under test."""
        return tf.constant(self.values[key], self.dtype)

    @property
    def x(self) -> tf.Tensor:
        return tf.constant(self.images_last(self.values["x"]), self.dtype)

    def images_last(self, array: np.ndarray) -> np.ndarray:
        """[N, C, H, W] -> [N, H, W, C]; points stay as they are."""
        return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array

    def model(self, clipped: bool, gamma_r: float = 1e-8) -> SoftIntroVAE:
        """The model at the recorded weights, in the recorded settings."""
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.dtype)
        try:
            return self._model(clipped, gamma_r)
        finally:
            keras.config.set_dtype_policy(policy)

    def _model(self, clipped, gamma_r):
        setting = self.setting
        shape = (28, 28, 1) if self.is_image else (2,)
        widths = (8, 16) if self.is_image else (32, 32, 32, 32)
        encoder, decoder = networks.build_networks(
            shape, setting["latent"], widths, dtype=self._policy
        )
        prior = MixturePrior(setting["components"], setting["latent"])
        prior.loc.assign(self.values["weights/encoder.prior.mu"])
        prior.logvar.assign(self.values["weights/encoder.prior.logvar"])
        prior.logits.assign(self.values["weights/encoder.prior.w"].reshape(-1))
        if clipped:
            prior.min_logvar.assign(self.values["prior/clip_min"])
            prior.max_logvar.assign(self.values["prior/clip_max"])
        for player, network in (("encoder", encoder), ("decoder", decoder)):
            for variable in network.trainable_variables:
                variable.assign(self.recorded_array(f"weights/{player}.", player, variable))
        return SoftIntroVAE(
            encoder,
            decoder,
            prior,
            objective=Objective(
                beta_rec=setting["beta_rec"],
                beta_kl=setting["beta_kl"],
                beta_neg=setting["beta_neg"],
                alpha=setting["alpha"],
                gamma_r=gamma_r,
                responsibility_reg=setting["reg"],
                scale=setting["scale"],
            ),
            num_mc_samples=setting["mc"],
            joint_batches=self.joint_batches,
        )

    def recorded_array(self, prefix: str, player: str, variable: keras.Variable) -> np.ndarray:
        """The recorded array (a weight, or its gradient) that belongs to a variable, in its layout."""
        layer, weight = variable.path.split("/")[-2:]
        name = self._layer_name(player, layer)
        key = f"{prefix}{name}.{_WEIGHTS[weight]}"
        if key not in self.values:  # mlp2d's encoder gradients leave out "main".
            key = key.replace("main.", "")
        return self._layout(self.values[key], player, layer)

    def _layer_name(self, player, layer):
        if not self.is_image:
            return (
                "main."
                + {
                    "hidden_0": "input",
                    "hidden_1": "hidden_1",
                    "hidden_2": "hidden_2",
                    "hidden_3": "hidden_3",
                    "out": "output",
                }[layer]
            )
        names = _IMAGE_LAYERS[player]
        if layer in names:
            return names[layer]
        block, part = layer.rsplit("_", 1)
        return f"{names[block]}.{_BLOCK_LAYERS[part]}"

    def _layout(self, array, player, layer):
        if array.ndim == 4:
            return array.transpose(2, 3, 1, 0)  # out, in, h, w -> h, w, in, out
        channels, side = 16, 7
        if self.is_image and (player, layer) == ("encoder", "posterior") and array.ndim == 2:
            array = array.reshape(-1, channels, side, side).transpose(0, 2, 3, 1)
            return array.reshape(len(array), -1).T
        if self.is_image and (player, layer) == ("decoder", "in"):
            trailing = array.shape[1:]
            array = array.reshape(channels, side, side, *trailing)
            array = np.moveaxis(array, 0, 2).reshape(-1, *trailing)
        return array.T

    def vae_noise(self) -> VAENoise:
        return VAENoise(self.tensor("noise/vae_z"), self._samples("vae_kl"))

    def encoder_noise(self) -> EncoderNoise:
        return EncoderNoise(
            component=self._uniform("component_e"),
            prior=self.tensor("noise/prior_e"),
            z_real=self.tensor("noise/real_z"),
            z_generated=self._both("rec_z_e", "fake_z_e"),
            kl_real=self._samples("real_kl_e"),
            kl_generated=tf.concat([self._samples("rec_kl_e"), self._samples("fake_kl_e")], axis=1),
        )

    def decoder_noise(self) -> DecoderNoise:
        return DecoderNoise(
            component=self._uniform("component_d"),
            prior=self.tensor("noise/prior_d"),
            z_generated=self._both("rec_z_d", "fake_z_d"),
            kl_real=self._samples("real_kl_d"),
            kl_generated=tf.concat([self._samples("rec_kl_d"), self._samples("fake_kl_d")], axis=1),
        )

    def _both(self, first, second):
        return tf.concat([self.tensor(f"noise/{first}"), self.tensor(f"noise/{second}")], axis=0)

    def _samples(self, name):
        """[M * B, L], sample-major -> [M, B, L]."""
        shape = (self.setting["mc"], self.setting["batch"], self.setting["latent"])
        return tf.reshape(self.tensor(f"noise/{name}"), shape)

    def _uniform(self, name):
        """Uniform numbers that pick the recorded components: the middle of each one's interval."""
        edges = np.concatenate([[0.0], np.cumsum(self.values["prior/weights"])])
        component = self.values[f"noise/{name}"]
        return tf.constant((edges[component] + edges[component + 1]) / 2, self.dtype)
