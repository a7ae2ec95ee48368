"""Over which devices a run is spread, how they compute, and how its batches reach them."""

import tensorflow as tf

from tf_sintrovae.config import Config
from tf_sintrovae.data.source import Source
from tf_sintrovae.errors import UserError


def set_up_runtime(config: Config) -> None:
    """Tells TensorFlow how its operations compute from now on: in one order always, in TF32 or not.

    TF32 is for the networks; the mixture's programs on GPUs have no products that it rounds.
    """
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(config.precision == "tf32")


def choose_strategy(config: Config) -> tf.distribute.Strategy:
    """The distribution strategy of a run.

    Args:
        config: settings of the run; `strategy='auto'` mirrors over all GPUs when there are several, else uses
            one device.

    Raises:
        UserError: several workers (not ready yet), a batch size that the replicas cannot share, or clipped
            gradients on several of them.
    """
    strategy = _strategy(config.strategy)
    replicas = strategy.num_replicas_in_sync
    if config.batch_size % replicas:
        raise UserError(
            f"batch_size={config.batch_size} cannot be shared by {replicas} replicas: "
            f"give a multiple of {replicas}"
        )
    if config.clip_norm is not None and replicas > 1:
        # Keras clips before it sums over replicas: each would be clipped by the norm of its own share.
        raise UserError(
            f"clip_norm={config.clip_norm} does not work over {replicas} replicas: leave it out, or train "
            "on one device with strategy=single"
        )
    return strategy


def mirrored_strategy(devices: list[str]) -> tf.distribute.MirroredStrategy:
    """Mirrors over `devices`; CPUs reduce on one device, which is what works for them."""
    on_cpu = all("CPU" in device for device in devices)
    cross_device_ops = tf.distribute.ReductionToOneDevice() if on_cpu else None
    return tf.distribute.MirroredStrategy(devices, cross_device_ops)


def use_xla(config: Config, strategy: tf.distribute.Strategy) -> bool:
    """Whether the training step is compiled as a whole: `jit_compile`, with 'auto' decided here.

    XLA refuses a step that spans replicas, in which the mixture's programs and the noise still compile by
    themselves; on CPUs its compilation takes longer than it saves in short runs.

    Raises:
        UserError: `jit_compile=true` with several replicas.
    """
    single = strategy.num_replicas_in_sync == 1
    if config.jit_compile == "true" and not single:
        raise UserError(
            f"jit_compile=true does not work over {strategy.num_replicas_in_sync} replicas: "
            "leave it at auto, or train on one device with strategy=single"
        )
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    return config.jit_compile == "true" or (config.jit_compile == "auto" and single and on_gpu)


def training_batches(
    source: Source, config: Config, strategy: tf.distribute.Strategy, start_step: int
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """The endless stream of batches from `start_step` on, as `fit` takes it under `strategy`."""
    if strategy.num_replicas_in_sync == 1:
        return source.train_batches(config.batch_size, config.seed, start_step)

    def worker_batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        batches = source.train_batches(
            config.batch_size,
            config.seed,
            start_step,
            context.num_input_pipelines,
            context.input_pipeline_id,
        )
        # One element a replica, in the order of replicas, as the step's noise expects.
        return batches.rebatch(context.get_per_replica_batch_size(config.batch_size))

    return strategy.distribute_datasets_from_function(worker_batches)


def _strategy(name: str) -> tf.distribute.Strategy:
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    if name == "multi_worker":
        # The streams of data and noise are sharded by worker; checkpoints and logs of the chief are not done.
        raise UserError(
            "strategy=multi_worker: this version does not train over several machines yet; "
            "use strategy=mirrored on one machine"
        )
    if name == "mirrored":
        cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
        return mirrored_strategy(gpus or cpus)
    if name == "auto" and len(gpus) > 1:
        return mirrored_strategy(gpus)
    return tf.distribute.get_strategy()
