"""Writes the report of a run into its folder."""

import pathlib

from tf_sintrovae.files import write_atomically
from tf_sintrovae.reporting import page
from tf_sintrovae.reporting.file_names import REPORT
from tf_sintrovae.reporting.history_reader import HistoryReader
from tf_sintrovae.reporting.run_files import RunFiles, read_run


def write_report(root: pathlib.Path, history: HistoryReader | None = None) -> RunFiles:
    """Reads a run's files and writes `report.html` beside them, in one step.

    Args:
        root: folder of the run.
        history: history that has read the beginning already.

    Returns:
        What was read.

    Raises:
        UserError: no run lies there.
        OSError: the file cannot be written.
    """
    run = read_run(root, history)
    write_atomically(run.root / REPORT, page.report_page(run))
    return run
