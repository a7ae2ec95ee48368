"""The programs of a run: the step of each stage, and the changes between the stages."""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.hlo import programs, variables
from benchmarks.hlo.expected import Recorder
from benchmarks.hlo.plan import Plan
from benchmarks.hlo.programs import Program
from tf_sintrovae import build
from tf_sintrovae.config import Config
from tf_sintrovae.data.source import Source
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.priors import MixturePrior
from tf_sintrovae.training.schedule import Schedule


class Stages(NamedTuple):
    """What a run is made of.

    Attributes:
        programs: all programs, by name.
        steps: the first step of each program that is a step, in their order.
        changes: the step before which each of the other programs runs once.
    """

    programs: dict[str, Program]
    steps: dict[str, int]
    changes: dict[str, int]


def schedule(settings: Config, source: Source) -> Schedule:
    """The schedule of a run on its data."""
    return Schedule.from_config(settings, _steps_per_epoch(settings, source))


def trace_stages(model: SoftIntroVAE, schedule: Schedule, recorder: Recorder) -> Stages:
    """The programs of a run; the recorder takes the first steps of each stage.

    Each stage's steps begin at the start of the run, after the changes that lead to it: where a gradient is
    all but zero, Adam's first steps follow the sign of its rounding, and later steps magnify that.

    Args:
        model: compiled model at the start of the run.
        schedule: schedule of the run.
        recorder: recorder of the model's variables.
    """
    tracer = _Tracer(model, recorder)
    tracer.enter("vae", 0)
    if schedule.hand_over is not None:
        tracer.change("hand_over", schedule.hand_over, model.hand_over, model.hand_over)
        tracer.enter("vae_handed_over", schedule.hand_over)
    if schedule.introspection < schedule.total:
        freeze = _range_to_freeze(model)
        tracer.change("introspection", schedule.introspection, freeze, model.start_introspection)
        tracer.enter("introspective", schedule.introspection)
    return tracer.stages


def plan(settings: Config, source: Source, model: SoftIntroVAE, stages: Stages) -> Plan:
    """The plan of a run, for where its programs run."""
    named = variables.named_variables(model)
    rates = [variables.name_of(o.learning_rate, named) for o in model.optimizers]
    return Plan(
        steps=stages.steps,
        changes=stages.changes,
        total=schedule(settings, source).total,
        steps_per_epoch=_steps_per_epoch(settings, source),
        rates=dict(zip(rates, build.learning_rates(settings), strict=True)),
        milestones=list(settings.lr_milestones),
    )


def _steps_per_epoch(settings: Config, source: Source) -> int:
    return settings.steps_per_epoch or source.steps_per_epoch(settings.batch_size)


def _range_to_freeze(model: SoftIntroVAE) -> Callable[[], None] | None:
    """What changes in the prior at the start of the introspective stage; None for nothing."""
    prior = getattr(model.prior, "active", model.prior)
    if isinstance(prior, MixturePrior) and prior.clip_variance and model.prior_player == "decoder":
        return prior.freeze_range
    return None


class _Tracer:
    """Takes a model through its stages, and keeps the programs."""

    def __init__(self, model: SoftIntroVAE, recorder: Recorder):
        self._model, self._recorder = model, recorder
        self._named = variables.named_variables(model)
        self._made: dict[str, Callable[[], None]] = {}
        self.stages = Stages({}, {}, {})

    def change(
        self,
        name: str,
        step: int,
        traceable: Callable[[], None] | None,
        function: Callable[[], None],
    ) -> None:
        """Adds a change before a step; `traceable` is what `function` does to variables, if anything."""
        self._made[name] = function
        if traceable is not None:
            call = lambda: traceable()  # noqa: E731 - a bound method has one trace for all its functions
            self.stages.programs[name] = programs.trace(call, {}, self._named)
            self.stages.changes[name] = step

    def enter(self, name: str, step: int) -> None:
        """Adds the stage that follows the changes so far; takes its first steps."""
        if self._made:
            self._recorder.restart()
        for change, function in self._made.items():
            program = change if change in self.stages.programs else None
            self._recorder.change(program, function)
        arguments = {"x": self._recorder.batches[0]}
        step_function = lambda x: self._model.train_step(x)  # noqa: E731
        self.stages.programs[name] = programs.trace(step_function, arguments, self._named)
        self.stages.steps[name] = step
        self._recorder.steps(name)
