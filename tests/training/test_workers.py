"""What workers tell each other; here they are threads, which a strategy of the test's own lets meet."""

import threading
import types

import numpy as np
import pytest
import tensorflow as tf

from tf_sintrovae.errors import UserError
from tf_sintrovae.training import agreement, followers
from tf_sintrovae.training.workers import Workers

JOBS = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}


class Meeting:
    """Sums what three threads bring, as an all-reduce does."""

    def __init__(self):
        self._values = {}
        self._barrier = threading.Barrier(3, timeout=20.0)

    def reduce(self, index, value):
        self._values[index] = value.numpy()
        self._barrier.wait()
        total = sum(self._values.values())
        self._barrier.wait()
        return tf.constant(total)


def strategy(meeting, index):
    """The strategy that the `index`-th of a chief and two workers would have."""
    resolver = types.SimpleNamespace(
        cluster_spec=lambda: types.SimpleNamespace(as_dict=lambda: JOBS),
        task_type="worker" if index else "chief",
        task_id=max(0, index - 1),
    )
    return types.SimpleNamespace(
        cluster_resolver=resolver, reduce=lambda _, value, axis: meeting.reduce(index, value)
    )


def on_each(action):
    """What `action` returns, or the text of its error, on each of three workers."""
    meeting, found = Meeting(), [None] * 3

    def run(index):
        try:
            found[index] = action(Workers(strategy(meeting, index)))
        except Exception as error:
            found[index] = f"{type(error).__name__}: {error}"

    threads = [threading.Thread(target=run, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_they_are_counted_from_the_chief_on():
    assert on_each(lambda w: (w.count, w.index, w.is_chief, w.several)) == [
        (3, 0, True, True),
        (3, 1, False, True),
        (3, 2, False, True),
    ]


def test_flags_and_texts_reach_all():
    assert on_each(lambda w: w.any(w.index == 2)) == [True] * 3
    assert on_each(lambda w: w.any(False)) == [False] * 3
    texts = ["", "zwölf 数", "x" * 1000]
    assert on_each(lambda w: w.share(texts[w.index])) == [texts] * 3
    assert on_each(lambda w: w.share("")) == [[""] * 3] * 3


def test_what_fails_on_one_fails_on_all():
    def act(workers):
        with workers.together():
            if workers.index == 1:
                raise UserError("no such file")
        return "done"

    told = "UserError: worker 1 failed: no such file"
    assert on_each(act) == [told, "UserError: no such file", told]


def test_what_differs_is_named_where_it_does():
    def agree(workers):
        return workers.require_equal("settings", {"seed": 3, "beta": workers.index == 2})

    text = (
        "UserError: the workers' settings differ: beta=False on worker 0 but beta=True on worker 2"
    )
    assert all(found.startswith(text) for found in on_each(agree))
    assert on_each(lambda w: w.require_equal("settings", {"seed": 3})) == [None] * 3


def test_one_process_asks_nobody():
    workers = Workers(tf.distribute.get_strategy())
    assert not workers.several and workers.is_chief
    assert workers.any(True) and not workers.any(False)
    assert workers.share("text") == ["text"]
    workers.require_equal("settings", {"seed": 3})
    with pytest.raises(ZeroDivisionError), workers.together():
        raise ZeroDivisionError
    variable = tf.Variable([1.0, np.inf])
    workers.copy_from_chief([variable])
    np.testing.assert_array_equal(variable, [1.0, np.inf])


def test_what_fails_on_the_chief_while_it_restores_is_told():
    def restore():
        raise UserError("none of the checkpoints can be read")

    found = on_each(lambda w: followers.follow_chief(w, None, None, restore))
    assert found[0] == "UserError: none of the checkpoints can be read"
    assert found[1] == found[2] == "UserError: worker 0 failed: none of the checkpoints can be read"


def test_versions_are_named():
    assert agreement.versions()["TensorFlow"] == tf.__version__
