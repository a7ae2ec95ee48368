"""The variables of a run, by names that are the same in every process."""

from collections.abc import Mapping

import keras
import numpy as np

from tf_sintrovae.model import SoftIntroVAE

PLAYERS = ("encoder", "decoder", "prior")


def named_variables(model: SoftIntroVAE) -> dict[str, keras.Variable]:
    """Every variable that a step may read or write, as `GROUP/NUMBER/NAME`."""
    groups = {name: getattr(model, name).variables for name in PLAYERS}
    groups |= {
        f"{name}_optimizer": getattr(model, f"{name}_optimizer").variables for name in PLAYERS
    }
    groups["metrics"] = [variable for metric in model.metrics for variable in metric.variables]
    groups["run"] = [model.step, model.diverged]
    return {
        f"{group}/{i:03d}/{variable.name}": variable
        for group, variables in groups.items()
        for i, variable in enumerate(variables)
    }


def name_of(variable: keras.Variable, variables: Mapping[str, keras.Variable]) -> str:
    """The name of one of the `variables`."""
    return next(name for name, each in variables.items() if each is variable)


def values_of(variables: Mapping[str, keras.Variable]) -> dict[str, np.ndarray]:
    """What the variables hold."""
    return {name: variable.numpy() for name, variable in variables.items()}


def assign(variables: Mapping[str, keras.Variable], values: Mapping[str, np.ndarray]) -> None:
    """Puts values into variables of the same names.

    Raises:
        KeyError: a variable has no value.
    """
    for name, variable in variables.items():
        variable.assign(values[name])
