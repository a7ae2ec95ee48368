"""Options of an evaluation: their fields are the only list of its flags."""

import dataclasses
import pathlib
import subprocess
import sys

import pytest
from absl import flags

from tf_sintrovae.evaluation import options

NOT_FLAGS = {
    *("num_points", "num_posterior_samples", "num_class_samples"),
    *("gnelbo_grid", "gnelbo_points", "ood_source"),
}


def parse(*arguments):
    values = flags.FlagValues()
    options.define_flags(values)
    values(["evaluate", *arguments])
    return values


def test_each_field_with_a_help_text_is_a_flag_of_the_same_default():
    values = parse()
    fields = {field.name: field.default for field in dataclasses.fields(options.Options)}
    assert set(fields) - NOT_FLAGS <= set(values)
    assert not NOT_FLAGS & set(values)
    assert options.from_flags(values) == options.Options()
    assert values.entropy_batch_size is None  # so that the run may decide


def test_flags_fill_the_options():
    given = options.from_flags(
        parse("--num_images=20", "--feature_networks=classifier,inception-2015", "--cache_dir=~/c")
    )
    assert given.num_images == 20
    assert given.feature_networks == ("classifier", "inception-2015")
    assert given.cache == pathlib.Path.home() / "c"


@pytest.mark.parametrize("argument", ["--num_images=15", "--iwae_samples=0", "--iwae_images=many"])
def test_a_value_out_of_range_is_refused_by_its_name(argument):
    name = argument[2:].split("=")[0]
    with pytest.raises(flags.Error, match=name):
        parse(argument)


def test_the_flags_of_evaluate_need_no_tensorflow():
    code = (
        "import sys; from tf_sintrovae import evaluate; evaluate.define_flags(); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
