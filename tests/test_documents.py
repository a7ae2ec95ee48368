"""The documents: links and anchors lead somewhere, flags and names that they mention exist."""

import importlib
import re
import subprocess
import sys

import pytest

import tf_sintrovae
from tests.support.documents import PAGES, ROOT, anchors, links

COMMANDS = ("main", "evaluate", "sample", "report", "reproduce")
# Of TensorBoard, pip, mount, Slurm's sbatch and srun, and this project's benchmarks.
OTHERS = {"logdir", "appetite", "nodes", "ntasks", "signal", "requeue", "wait"} | {
    *("settings", "setting", "step_ms", "check_steps", "only", "platform", "seconds", "tolerance"),
}
API = (ROOT / "docs" / "api.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_are_there(page):
    for link in links(page):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file() and target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_the_checks_find_what_is_there(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A `title`\n## One, two\n## Non-\u00e4scii\n## a / b\n"
        "[a](b.md#c) ![i](i.png) `[n](o)`\n```\n# no heading\n[n](o)\n```\n[d](#e)\n"
    )
    assert links(page) == ["b.md#c", "i.png", "#e"]
    assert anchors(page) == {"a-title", "one-two"}


def test_every_page_is_reached():
    """By the site's menu, and, from the README on, by links."""
    pages = {page.name for page in PAGES} - {"README.md"}
    menu = (ROOT / "mkdocs.yml").read_text()
    assert set(re.findall(r"^  - .+: (\S+\.md)$", menu, re.M)) == pages | {"index.md"}
    found, new = set(), {ROOT / "README.md"}
    while new:
        found |= new
        paths = {
            (page.parent / link.partition("#")[0]).resolve() for page in new for link in links(page)
        }
        new = {path for path in paths if path.suffix == ".md" and path.is_file()} - found
    assert pages <= {page.name for page in found}


@pytest.fixture(scope="module")
def known_flags():
    """Every flag that some command takes."""
    found = {"flagfile", "help"} | OTHERS
    for name in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", f"tf_sintrovae.{name}", "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        found |= set(re.findall(r"^  --(?:\[no\])?(\w+):", done.stdout, re.M))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_flags_that_a_page_mentions_exist(page, known_flags):
    for name in re.findall(r"(?<![\w-])--([a-z]\w*)", page.read_text()):
        assert name in known_flags or name.removeprefix("no") in known_flags, f"--{name}"


def test_the_page_of_python_names_has_all_public_ones():
    named = re.findall(r"^::: (\S+)$", API, re.M)
    for name in named:
        module, _, attribute = name.rpartition(".")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), attribute), name
    for name in set(tf_sintrovae.__all__) - {"__version__"}:
        home = f"{tf_sintrovae._HOMES[name]}.{name}"
        value = getattr(tf_sintrovae, name)
        assert {home, f"{value.__module__}.{name}", value.__module__} & set(named), name
