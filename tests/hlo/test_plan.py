"""Which programs and rates belong to a step."""

import json

import pytest

from benchmarks.hlo.plan import Plan

PLAN = Plan(
    steps={"vae": 0, "vae_handed_over": 4, "introspective": 6},
    changes={"hand_over": 4, "introspection": 6},
    total=10,
    steps_per_epoch=2,
    rates={"rate": 0.5},
    milestones=[5, 8],
)


@pytest.mark.parametrize(
    ("step", "program", "stage"),
    [
        (0, "vae", "vae"),
        (3, "vae", "vae"),
        (4, "vae_handed_over", "vae"),
        (6, "introspective", "introspective"),
        (9, "introspective", "introspective"),
    ],
)
def test_program_and_stage_of_a_step(step, program, stage):
    assert PLAN.program_at(step) == program
    assert PLAN.stage_at(step) == stage


def test_changes_come_before_their_step():
    changes = {step: PLAN.changes_at(step) for step in range(10)}
    assert {step: names for step, names in changes.items() if names} == {
        4: ["hand_over"],
        6: ["introspection"],
    }


def test_changes_of_one_step_keep_their_order():
    plan = PLAN._replace(
        steps={"vae": 0, "vae_handed_over": 0, "introspective": 0},
        changes={"hand_over": 0, "introspection": 0},
    )
    assert plan.changes_at(0) == ["hand_over", "introspection"]
    assert plan.program_at(0) == "introspective"
    assert plan.remaining(0) == (["hand_over", "introspection"], ["introspective"])


@pytest.mark.parametrize(
    ("step", "changes", "steps"),
    [
        (0, ["hand_over", "introspection"], ["vae", "vae_handed_over", "introspective"]),
        (4, ["hand_over", "introspection"], ["vae_handed_over", "introspective"]),
        (5, ["introspection"], ["vae_handed_over", "introspective"]),
        (7, [], ["introspective"]),
        (10, [], []),
    ],
)
def test_what_is_still_to_come(step, changes, steps):
    assert PLAN.remaining(step) == (changes, steps)


def test_a_plan_that_ends_before_a_stage_does_not_need_it():
    assert PLAN._replace(total=5).remaining(0) == (["hand_over"], ["vae", "vae_handed_over"])


def test_rates_are_divided_at_milestones():
    rates = [PLAN.rates_at(step)["rate"] for step in (4, 5, 7, 8)]
    assert rates == pytest.approx([0.5, 0.05, 0.05, 0.005])


def test_epochs_end_after_their_steps():
    assert [step for step in range(1, 7) if PLAN.ends_epoch(step)] == [2, 4, 6]


def test_a_plan_survives_json():
    meta = json.loads(json.dumps({"plan": PLAN._asdict()}))
    assert Plan.from_meta(meta) == PLAN
