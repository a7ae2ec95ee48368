"""What all commands share: bad input is one line at once, long before TensorFlow is imported."""

import dataclasses
import json
import os
import re
import subprocess
import sys

import pytest

from tests.support.runs import ROOT, assert_one_clear_line, command
from tf_sintrovae import flag_files
from tf_sintrovae.command import INTERRUPTED
from tf_sintrovae.config import Config


@pytest.fixture(scope="module")
def at_once(tmp_path_factory):
    """Runs main where an import of TensorFlow is an error."""
    folder = tmp_path_factory.mktemp("no_tensorflow")
    (folder / "tensorflow.py").write_text("raise RuntimeError('TensorFlow was imported')")
    return lambda *arguments: command(*arguments, PYTHONPATH=str(folder))


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--prior=flow"], ("prior", "flow", "standard_normal")),
        (["--epochs=many"], ("epochs", "many")),
        (["--epochs=0"], ("epochs=0", "at least 1")),
        (["--latent_dim=-2"], ("latent_dim=-2",)),
        (["--learning_rate=nan"], ("learning_rate=nan",)),
        (["--widths=8,x"], ("widths=8,x", "whole numbers")),
        (["--widths=8,0"], ("widths=0", "at least 1")),
        (["--no_such_flag=1"], ("no_such_flag",)),
        (["--epochs"], ("epochs",)),
        (["--flagfile=nowhere.flags"], ("nowhere.flags",)),
        (["--flagfile=configs"], ("configs",)),
        (["--preset=nothing"], ("nothing", "fmnist")),
        (["--preset"], ("preset", "fmnist")),
        (["--flagfile"], ("--flagfile=PATH",)),
        (["--flagfile="], ("--flagfile=PATH",)),
        (["--flagfile=/dev/zero"], ("/dev/zero", "not a file")),
        (["--seed=4294967296"], ("seed=4294967296", "at most 2,147,483,647")),
        (["--seed=-1"], ("seed=-1", "at least 0")),
        (["--epochs=" + "9" * 30], ("epochs=9999", "at most 1,000,000")),
        (["--widths=1000000000"], ("widths=1000000000", "at most 65,536")),
        (["--num_components=1000000000"], ("num_components=1000000000", "at most")),
        (["--beta_kl=inf"], ("beta_kl=inf",)),
        (["--dataset="], ("dataset=''", "expected text")),
        (["--data_dir="], ("data_dir=''",)),
        (["--workdir=a\nb"], ("workdir='a\\nb'",)),
        (["--preset", "rings", "--epochs=0"], ("epochs=0",)),  # the preset itself was taken
        (["--prior=vamp", "--vae_epochs=3", "--epochs=120"], ("prior=vamp", "vae_epochs=120")),
        (["stray", "more"], ("stray more", "--name=value")),
    ],
    ids=lambda value: " ".join(value),
)
def test_bad_flags_are_named_at_once(arguments, parts, at_once):
    done = at_once(*arguments)
    assert_one_clear_line(done, *parts)
    assert done.stdout == ""
    assert done.seconds < 2


def test_a_preset_inside_a_flag_file_is_taken(at_once, tmp_path):
    (tmp_path / "mine.flags").write_text("--preset=rings\n--epochs=0\n")
    assert_one_clear_line(at_once(f"--flagfile={tmp_path / 'mine.flags'}"), "epochs=0")


def test_flag_files_that_include_each_other_are_named(at_once, tmp_path):
    one, two = tmp_path / "one.flags", tmp_path / "two.flags"
    one.write_text(f"--flagfile={two}\n")
    two.write_text(f"--flagfile\n{one}\n")
    assert_one_clear_line(
        at_once(f"--flagfile={one}"), "includes itself", f"{one} -> {two} -> {one}"
    )


def test_a_flag_file_that_is_no_text_is_named(at_once, tmp_path):
    (tmp_path / "bytes.flags").write_bytes(b"--epochs=3\n\xff\xfe\n")
    assert_one_clear_line(at_once(f"--flagfile={tmp_path / 'bytes.flags'}"), "bytes.flags", "UTF-8")


def test_a_flag_file_that_never_ends_is_refused(at_once, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert_one_clear_line(at_once(f"--flagfile={tmp_path / 'pipe'}"), "is not a file")


def test_folders_that_cannot_be_used_are_named_at_once(at_once, tmp_path):
    (tmp_path / "file").touch()
    done = at_once(f"--workdir={tmp_path / 'file' / 'run'}")
    assert_one_clear_line(done, str(tmp_path / "file" / "run"), "--workdir")


def test_help_is_quick_and_lists_every_setting(at_once):
    done = at_once("--help")
    assert done.seconds < 2
    for field in dataclasses.fields(Config):
        assert f"--{field.name}:" in done.stdout or f"--[no]{field.name}:" in done.stdout
    assert "--preset:" in done.stdout and "--[no]quiet:" in done.stdout
    for name in flag_files.names():
        assert re.search(rf"\b{name}\b", done.stdout.split("--preset:")[1].split("--")[0])
    assert done.stdout.startswith("Trains a Soft-IntroVAE")
    assert done.stderr == ""


def run_code(body: str, *arguments: str) -> subprocess.CompletedProcess:
    """Runs a command whose work is `body`."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    code = (
        f"from tf_sintrovae import command, errors\ndef main():\n{lines}"
        f"command.run(main, {['name', *arguments]})"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_a_command_that_works_ends_with_0():
    done = run_code("print('done')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_quiet_leaves_errors_and_warnings():
    done = run_code(
        "import logging, sys\n"
        "print('done')\n"
        "command.quieten_tensorflow()\n"
        "print('progress', file=command.progress_stream())\n"
        "logging.getLogger('tf_sintrovae.x').info('detail')\n"
        "logging.getLogger('tf_sintrovae.x').warning('look')\n"
        "raise errors.UserError('wrong')",
        "--quiet",
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "look\nerror: wrong\n")


def test_without_quiet_progress_is_told_beside_the_output():
    done = run_code("print('progress', file=command.progress_stream())")
    assert (done.stdout, done.stderr) == ("", "progress\n")


def test_a_user_error_of_several_lines_becomes_one():
    done = run_code("raise errors.UserError('first\\n  second')")
    assert (done.returncode, done.stderr) == (2, "error: first second\n")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_request_to_stop_is_one_line(name):
    """Python raises it where the command is; what it began there is removed on the way out."""
    done = run_code(
        f"import os, signal\ntry:\n    os.kill(os.getpid(), signal.{name})\n    signal.pause()\n"
        "finally:\n    print('tidied')"
    )
    assert (done.returncode, done.stdout) == (INTERRUPTED, "tidied\n")
    assert done.stderr == "error: interrupted\n"


def test_a_full_disk_is_one_line(tmp_path):
    done = run_code(
        "import errno, os\nraise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), '/a/b')"
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: /a/b cannot be written: no space left on device;")
    assert done.stderr.count("\n") == 1


def test_a_lack_of_memory_is_one_line():
    done = run_code("bytes(2**60)")
    assert done.returncode == 2
    assert done.stderr.startswith("error: out of memory: give a smaller batch_size")
    assert done.stderr.count("\n") == 1


def test_sigterm_ends_as_ctrl_c_does():
    done = run_code("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nprint('went on')")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_what_failed_beside_finished_work_has_a_code_of_its_own():
    done = run_code("command.end_incomplete(['iwae', 'elbo'])")
    assert done.returncode == 3
    assert done.stderr.startswith("error: failed: iwae, elbo ") and done.stderr.count("\n") == 1
    assert run_code("command.end_incomplete([])").returncode == 0


def test_a_bug_shows_where_it_is():
    done = run_code("raise KeyError('lost')")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "KeyError: 'lost'" in done.stderr


def test_tensorflow_starts_quietly_and_warnings_are_seen():
    done = run_code(
        "import logging\n"
        "command.quieten_tensorflow()\n"
        "command.import_tensorflow()\n"
        "import json, sys, tensorflow as tf\n"
        "tf.zeros(3) + 1.0\n"
        "for name in ('tf_sintrovae.training.loop', 'another_library'):\n"
        "    for level in ('info', 'warning'):\n"
        "        getattr(logging.getLogger(name), level)('%s %s', name, level)\n"
        "print(json.dumps(sorted(m for m in sys.modules if m == 'tensorflow')))"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["tensorflow"]
    lines = done.stderr.splitlines()
    assert lines[:2] == ["tf_sintrovae.training.loop info", "tf_sintrovae.training.loop warning"]
    assert len(lines) == 3
    assert lines[2].endswith("another_library warning")
