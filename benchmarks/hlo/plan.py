"""What a run does at which step: its programs and its learning rates."""

from typing import Any, NamedTuple


class Plan(NamedTuple):
    """The plan of a run.

    Attributes:
        steps: the first step of each program that is a step, by name, in their order.
        changes: the step before which each program that changes the stage runs once, in their order.
        total: number of steps.
        steps_per_epoch: number of steps after which means are recorded.
        rates: learning rates at the start, by the names of their variables.
        milestones: steps at which all rates are divided by 10.
    """

    steps: dict[str, int]
    changes: dict[str, int]
    total: int
    steps_per_epoch: int
    rates: dict[str, float]
    milestones: list[int]

    @classmethod
    def from_meta(cls, meta: dict[str, Any]) -> "Plan":
        """The plan that an export tells."""
        return cls(**meta["plan"])

    def changes_at(self, step: int) -> list[str]:
        """The programs that run once before a step."""
        return [name for name, at in self.changes.items() if at == step]

    def program_at(self, step: int) -> str:
        """The program that is a step."""
        return [name for name, first in self.steps.items() if first <= step][-1]

    def stage_at(self, step: int) -> str:
        """The stage that a step belongs to."""
        return "introspective" if self.program_at(step) == "introspective" else "vae"

    def remaining(self, step: int) -> tuple[list[str], list[str]]:
        """The changes and the steps that are still to come before the end, by name."""
        changes = [name for name, at in self.changes.items() if step <= at < self.total]
        later = {self.program_at(at) for at in self.steps.values() if step < at < self.total}
        steps = later | ({self.program_at(step)} if step < self.total else set())
        return changes, [name for name in self.steps if name in steps]

    def rates_at(self, step: int) -> dict[str, float]:
        """The learning rates of a step, by the names of their variables."""
        divisions = sum(step >= milestone for milestone in self.milestones)
        return {name: rate * 0.1**divisions for name, rate in self.rates.items()}

    def ends_epoch(self, step: int) -> bool:
        """Whether an epoch is complete after so many steps."""
        return step % self.steps_per_epoch == 0
