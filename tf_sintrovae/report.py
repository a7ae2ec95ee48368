"""Makes the report of a run: one HTML file that opens offline.

    python -m tf_sintrovae.report runs/digits
    python -m tf_sintrovae.report runs/one runs/other --output=comparison.html

A run writes its own report as it goes on, RUN/report.html; this makes it anew. For several runs there is
also a page that compares them. TensorFlow is not needed.
"""

import pathlib

from absl import flags

from tf_sintrovae import command
from tf_sintrovae.errors import UserError
from tf_sintrovae.files import user_path, write_atomically
from tf_sintrovae.reporting import comparison
from tf_sintrovae.reporting.file_names import REPORT
from tf_sintrovae.reporting.report_file import write_report
from tf_sintrovae.reporting.run_files import RunFiles


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string("output", "comparison.html", "page that compares several runs")


def main(*folders: str) -> None:
    """Writes the report of each run, and for several of them the page that compares them.

    Args:
        folders: folders of runs, the `--workdir` of each.

    Raises:
        UserError: a folder that holds no run, or cannot be written.
    """
    if len(folders) > comparison.MOST_RUNS:
        raise UserError(
            f"{len(folders)} runs: at most {comparison.MOST_RUNS} can be told apart on one page; give fewer"
        )
    runs = [_report(user_path(folder)) for folder in folders]
    if len(runs) > 1:
        _compare(runs, user_path(flags.FLAGS.output))


def _report(root: pathlib.Path) -> RunFiles:
    try:
        run = write_report(root)
    except OSError as error:
        raise UserError(
            f"{root / REPORT} cannot be written ({error.strerror}): copy the run to a folder of yours"
        ) from error
    if not run.history.last:
        print(f"{root}: no epoch is complete yet")
    print(f"{run.name}, {run.state.name}: {root / REPORT}")
    return run


def _compare(runs: list[RunFiles], path: pathlib.Path) -> None:
    try:
        write_atomically(path, comparison.comparison_page(runs))
    except OSError as error:
        raise UserError(
            f"output={path} cannot be written ({error.strerror}): give another"
        ) from error
    print(f"{len(runs)} runs side by side: {path}")


if __name__ == "__main__":
    define_flags()
    command.run(main, operand="RUN, the folder of a run,", several=True)
