"""Runs a sweep of experiments and makes its table.

    python -m tf_sintrovae.reproduce 2d_small --jobs=2

The sweeps are those of configs/sweeps/, by name, or a JSON file of one's own (docs/reproduce.md). Runs,
tables and figures lie in --folder. The same command continues where it was stopped, and may be given on
several machines that share the folder.
"""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Sequence

from absl import flags

from tf_sintrovae import command
from tf_sintrovae.errors import UserError
from tf_sintrovae.files import full_disk_errors
from tf_sintrovae.sweeps import outcome, resources, runner, sweep, tuning
from tf_sintrovae.sweeps.folder import SweepFolder
from tf_sintrovae.sweeps.job import Job
from tf_sintrovae.sweeps.rows import read_csv
from tf_sintrovae.sweeps.sweep import Sweep


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "folder", "runs/reproduce", "folder of all sweeps; this one's is FOLDER/TABLE"
    )
    flags.DEFINE_integer(
        "jobs", 1, "runs side by side, among which cores and GPUs are divided", 1, 1_000
    )
    flags.DEFINE_list(
        "gpus", [], "GPUs to divide among the runs, as CUDA_VISIBLE_DEVICES names them"
    )
    flags.DEFINE_string("shard", "1/1", "i/n: only every n-th run, from the i-th on")
    flags.DEFINE_string("data_dir", None, "folder with the data set's files (docs/data.md)")
    flags.DEFINE_string(
        "rows",
        None,
        "table.csv of runs done elsewhere: they are not repeated, and count in the tables",
    )
    flags.DEFINE_bool("list", False, "list the runs and how they stand, and run nothing")
    flags.DEFINE_bool(
        "tables_only", False, "make the tables of the runs there are, and run nothing"
    )


def main(table: str) -> None:
    """Runs what is left of a sweep, and writes its tables.

    Args:
        table: name of a sweep, or path of its file.

    Raises:
        UserError: a sweep, a flag or a folder that cannot be used.
        SystemExit: some runs failed (code 3); the others were done.
    """
    values = flags.FLAGS
    parent = pathlib.Path(values.folder).expanduser()
    chosen = read_tuned(table, parent)
    jobs = take_shard(chosen.jobs, values.shard)
    elsewhere = read_csv(pathlib.Path(values.rows).expanduser()) if values.rows else {}
    folder = dataclasses.replace(_folder(parent, chosen), elsewhere=elsewhere)
    if values.list:
        print("\n".join(_listed(job, folder) for job in jobs))
        return
    _make(folder.root)
    if not values.tables_only:
        _run(chosen, jobs, folder, values)
    print("\n".join(map(str, outcome.write_outcome(chosen, folder))))
    if not values.tables_only:
        command.end_incomplete(job.name for job in jobs if not folder.is_finished(job))


def read_tuned(table: str, parent: pathlib.Path) -> Sweep:
    """Reads a sweep, and takes what it wants of grid searches from their folders in `parent`.

    Raises:
        UserError: there is no such sweep, or a search is not over.
    """
    chosen = sweep.read(table)
    if not chosen.tuned_by:
        return chosen
    searches = [sweep.read(name) for name in chosen.tuned_by]
    return tuning.tune(chosen, [tuning.Search(each, _folder(parent, each)) for each in searches])


def take_shard(jobs: Sequence[Job], shard: str) -> list[Job]:
    """The jobs of a part: of i/n every n-th from the i-th on.

    Raises:
        UserError: a text that names no part.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", shard)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UserError(f"shard={shard}: expected i/n with i from 1 to n, as 1/2")
    return list(jobs[int(match[1]) - 1 :: int(match[2])])


def _folder(parent: pathlib.Path, chosen: Sweep) -> SweepFolder:
    return SweepFolder(parent / chosen.name, chosen.checkpoint)


def _make(root: pathlib.Path) -> None:
    """Makes the folder of a sweep if it is not there."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"folder {root} cannot be made ({error.strerror}): give another with --folder"
        ) from error


def _run(chosen: Sweep, jobs: Sequence[Job], folder: SweepFolder, values: flags.FlagValues) -> None:
    extra = [f"--data_dir={values.data_dir}"] if values.data_dir else []
    print(f"{chosen.title}: {len(jobs)} runs in {folder.root}/", flush=True)
    with full_disk_errors(folder.root):
        throughput = runner.Runner(
            jobs,
            folder,
            resources.environments(values.jobs, values.gpus),
            functools.partial(runner.main_command, extra=extra),
            lambda: outcome.write_rows(chosen, folder),
        ).run()
    print(throughput)


def _listed(job: Job, folder: SweepFolder) -> str:
    """A job's state, name and command line."""
    state = "finished" if folder.is_finished(job) else "failed" if folder.failure(job) else "open"
    arguments = " ".join(job.arguments)
    return f"{state:8}  {job.name}  {arguments}"


if __name__ == "__main__":
    define_flags()
    command.run(main, operand=f"TABLE, one of {', '.join(sweep.names())},")
