"""Over which devices a run is spread, how they compute, and how its batches reach them."""

import functools

import tensorflow as tf
from tensorflow.python.data.ops import multi_device_iterator_ops  # the only way to its pipelines

from tf_sintrovae.config import Config
from tf_sintrovae.data.source import Source
from tf_sintrovae.data.sources import pipelines
from tf_sintrovae.errors import UserError
from tf_sintrovae.training import multi_worker, workers
from tf_sintrovae.training.cluster import Cluster


def set_up_runtime(config: Config) -> None:
    """Tells TensorFlow how its operations compute from now on: in one order always, in TF32 or not.

    TF32 is for the networks; the mixture's programs on GPUs have no products that it rounds.
    """
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(config.precision == "tf32")


def choose_strategy(config: Config, cluster: Cluster | None = None) -> tf.distribute.Strategy:
    """The distribution strategy of a run; to be chosen before TensorFlow is used for anything else.

    Args:
        config: settings of the run; without a cluster, `strategy='auto'` mirrors over all GPUs when there are
            several, else uses one device.
        cluster: workers that train together, as `cluster.find_cluster` finds them; None for this process
            alone.

    Raises:
        UserError: workers that do not come, a batch size that the replicas cannot share, or clipped gradients
            on several of them.
    """
    if cluster is None:
        strategy = _strategy(config.strategy)
    else:
        strategy = multi_worker.make_strategy(cluster, config.join_seconds)
    check_replicas(config, strategy)
    return strategy


def describe(strategy: tf.distribute.Strategy) -> str:
    """What was chosen, in a few words."""
    replicas = strategy.num_replicas_in_sync
    device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    if replicas == 1:
        return f"strategy single: one {device}"
    count = workers.Workers(strategy).count
    if count == 1:
        return f"strategy mirrored: {replicas} {device}s of this machine"
    return f"strategy multi_worker: {count} workers, {replicas // count} {device} each"


def check_replicas(config: Config, strategy: tf.distribute.Strategy) -> None:
    """Refuses settings that do not suit several replicas.

    Raises:
        UserError: a batch size that they cannot share, clipped gradients, or several steps in one call over
            several workers.
    """
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
    count = workers.Workers(strategy).count
    if config.steps_per_execution > 1 and count > 1:  # TensorFlow fails to run such a loop
        raise UserError(
            f"steps_per_execution={config.steps_per_execution} does not work over {count} workers: give 1"
        )


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
    size = config.batch_size // strategy.num_replicas_in_sync

    def worker_batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        batches = source.train_batches(
            config.batch_size,
            config.seed,
            start_step,
            context.num_input_pipelines,
            context.input_pipeline_id,
        )
        # Keras cannot build on pairs over several workers, and labels are not used. One element a replica, in
        # the order of replicas, as the step's noise expects. A stream that is known to be endless spares
        # the workers to ask each other at each step whether it goes on.
        return (
            batches.map(lambda x, _: x)
            .rebatch(size, drop_remainder=True)
            .apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        )

    _untune_copies()
    return strategy.distribute_datasets_from_function(worker_batches)


@functools.cache
def _untune_copies() -> None:
    """Has strategies copy batches to devices by pipelines that are not tuned (see `pipelines.untuned`).

    Where a later TensorFlow makes them elsewhere, it tunes them as before.
    """
    create = getattr(multi_device_iterator_ops, "_create_device_dataset", None)
    if create is not None:
        multi_device_iterator_ops._create_device_dataset = lambda *arguments: pipelines.untuned(
            create(*arguments)
        )


def _strategy(name: str) -> tf.distribute.Strategy:
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    if name == "mirrored":
        cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
        return mirrored_strategy(gpus or cpus)
    if name != "single" and len(gpus) > 1:  # also a cluster of one worker
        return mirrored_strategy(gpus)
    return tf.distribute.get_strategy()
