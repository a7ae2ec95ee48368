"""Generated settings, flag files and `config.json`: a setting or one clear line, never a traceback."""

import dataclasses
import json
import pathlib
import tempfile

import hypothesis
import pytest
from absl import flags
from hypothesis import given
from hypothesis import strategies as st

from tf_sintrovae import config, flag_files, setting_fields
from tf_sintrovae.config import Config
from tf_sintrovae.errors import UserError

FIELDS = dataclasses.fields(Config)
NAMES = [field.name for field in FIELDS]
CASES = {"fast": 400, "slow": 4_000}


def fuzz_settings(size):
    """Hypothesis settings of one size: the same cases each time."""
    return hypothesis.settings(
        max_examples=CASES[size], derandomize=True, deadline=None, database=None
    )


def parse(arguments) -> Config:
    """The settings that a command line gives, as the command makes them."""
    values = flags.FlagValues()
    config.define_flags(values)
    left = values(["main", *flag_files.expand(arguments)])
    if len(left) > 1:
        raise UserError(f"stray arguments: {left[1:]}")
    return config.from_flags(values)


class Outcomes:
    """What became of the generated cases, and that each was an outcome that a user may meet."""

    def __init__(self):
        self.taken = self.refused = 0

    def of(self, function, *arguments):
        """The function's value; None after an error that a command shows in one line."""
        try:
            value = function(*arguments)
        except (UserError, flags.Error) as error:
            assert str(error).strip()
            self.refused += 1
            return None
        self.taken += 1
        return value

    def show(self, what, size):
        """Prints the counts; both outcomes must have come up."""
        print(f"{what}: {self.taken} taken, {self.refused} refused")
        assert self.taken + self.refused >= CASES[size]
        assert self.taken >= 10
        assert self.refused >= 10


def assert_survives(settings: Config) -> None:
    """JSON and flag files give the same settings again."""
    assert Config.from_json(settings.to_json()) == settings
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "flags.txt"
        path.write_text(settings.to_flagfile(), encoding="utf-8")
        assert parse([f"--flagfile={path}"]) == settings


NUMBERS = st.one_of(
    st.integers(0, 300),
    st.sampled_from([-1, 0, 1, 2**31 - 1, 2**31, 2**32, 2**63, 10**30, 10**400, 10**5000]),
    st.floats(),
    st.floats(0.0, 10.0),
    st.sampled_from(["nan", "-inf", "1e999", "1_000", "0x10", "5 ", "１２", "", "-0", "1e-400"]),
)
TEXTS = st.one_of(st.text(max_size=20), st.sampled_from(["", " ", "a b", "x=y", "--", "\0", "\n"]))


def _text_of(number) -> str:
    if isinstance(number, int) and number > 10**4000:  # Python refuses to write them
        return "9" * 5000
    return str(number)


def sensible(field):
    """Values of a setting, most of which are right."""
    _, kind = setting_fields.kind_of(field)
    if field.metadata["choices"]:
        return st.sampled_from(field.metadata["choices"])
    return {
        bool: st.sampled_from(["true", "false", "1", "0"]),
        int: st.integers(1, 5).map(str),
        float: st.floats(1e-6, 10.0).map(str),
        tuple: st.lists(st.integers(1, 40), max_size=4).map(lambda v: ",".join(map(str, v))),
        str: st.sampled_from(["digits", "rings", "fmnist", "/a/path with=signs#"]),
    }[kind]


@st.composite
def a_flag(draw, wild: bool):
    """One argument that gives a setting; a wild one may be anything."""
    field = draw(st.sampled_from(FIELDS))
    value = draw(sensible(field))
    if wild and draw(st.booleans()):
        value = draw(
            st.one_of(NUMBERS.map(_text_of), TEXTS, st.lists(NUMBERS.map(_text_of)).map(",".join))
        )
    return draw(st.sampled_from(["--{}={}", "-{}={}"])).format(field.name, value)


RIGHT = st.lists(a_flag(wild=False), max_size=6)
WILD = st.lists(
    st.one_of(
        a_flag(wild=False),
        a_flag(wild=True),
        st.sampled_from(NAMES).map("--no{}".format),
        st.sampled_from(NAMES).map("--{}".format),
        TEXTS.map("--preset={}".format),
        st.sampled_from(flag_files.names()).map("--preset={}".format),
        TEXTS.map("--flagfile={}".format),
        TEXTS,
    ),
    max_size=5,
)


def check_flags(size):
    outcomes = Outcomes()

    @given(st.one_of(RIGHT, WILD))
    @fuzz_settings(size)
    def check(arguments):
        settings = outcomes.of(parse, arguments)
        if settings is not None:
            assert_survives(settings)

    check()
    outcomes.show("command lines", size)


def check_flag_files(size, folder):
    outcomes, path = Outcomes(), folder / "generated.flags"
    lines = st.one_of(
        a_flag(wild=False).map(str.encode),
        a_flag(wild=True).map(lambda text: text.encode(errors="surrogatepass")),
        st.binary(max_size=30),
        st.sampled_from([b"# comment", b"// comment", b"", b"  --epochs=3  ", b"--preset=rings"]),
        st.just(f"--flagfile={path}".encode()),
    )
    right = st.lists(a_flag(wild=False).map(str.encode), max_size=4)

    @given(st.one_of(right, st.lists(lines, max_size=6)), st.sampled_from([b"\n", b"\r\n", b"\0"]))
    @fuzz_settings(size)
    def check(content, end):
        path.write_bytes(end.join(content))
        settings = outcomes.of(parse, [f"--flagfile={path}"])
        if settings is not None:
            assert_survives(settings)

    check()
    outcomes.show("flag files", size)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def a_damaged_json(draw):
    """The bytes of a `config.json` after a change, a cut, or an altered byte."""
    values = json.loads(Config().to_json())
    kind = draw(st.sampled_from(["value", "missing", "more", "cut", "byte", "other", "deep"]))
    name = draw(st.sampled_from(NAMES))
    if kind == "value":
        values[name] = draw(JSON_VALUES)
    elif kind == "missing":
        del values[name]
    elif kind == "more":
        values[draw(st.text(max_size=5))] = draw(JSON_VALUES)
    elif kind == "other":
        values = draw(JSON_VALUES)
    text = json.dumps(values).encode()
    place = draw(st.integers(0, len(text) - 1))
    if kind == "cut":
        return text[:place]
    if kind == "byte":
        return text[:place] + bytes([draw(st.integers(0, 255))]) + text[place + 1 :]
    return b"[" * 100_000 if kind == "deep" else text


def check_jsons(size, folder):
    outcomes = Outcomes()

    @given(a_damaged_json())
    @fuzz_settings(size)
    def check(content):
        (folder / "config.json").write_bytes(content)
        settings = outcomes.of(config.read_config, folder)
        if settings is not None:
            assert_survives(settings)

    check()
    outcomes.show("config.json files", size)


def test_generated_command_lines():
    check_flags("fast")


def test_generated_flag_files(tmp_path):
    check_flag_files("fast", tmp_path)


def test_generated_config_files(tmp_path):
    check_jsons("fast", tmp_path)


@pytest.mark.slow
def test_many_generated_settings(tmp_path):
    check_flags("slow")
    check_flag_files("slow", tmp_path)
    check_jsons("slow", tmp_path)
