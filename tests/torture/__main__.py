"""Kill `dvc repro` at a random moment of each stage in turn; see that a plain `dvc repro` then gives the same result.

  python -m tests.torture                          100 kills
  python -m tests.torture --kills 9 --seed 7       one of each stage, at other moments

Each kill takes the whole process group (SIGKILL), in a project of real reviews as it was before the stage. Then
`dvc repro` must end well, with the metrics, the weights and all other outputs of an undisturbed run to the last byte;
one champion, no run left RUNNING in MLflow, nothing unfinished in the folder. Where the kill came while DVC wrote its
own file of locks, which no DVC command can then read, that file is deleted first, as docs/faults.md says. Prints a line
for each kill and a table.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import Project
from tests.test_pipeline import STAGES, stages_run
from tests.torture.checks import changed_since, differing, leftovers, outputs, registry_faults
from tests.torture.killing import repro
from tests.torture.project import make_project

LOCKS = Path(".dvc/tmp/rwlock")
RESUMED = "resuming after the last finished epoch"


@dataclass
class Bench:
    """A project as it was before each stage, and what an undisturbed run made of it."""

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    """That each stage takes."""
    reference: dict[str, str] = field(default_factory=dict)
    """What `outputs` says after an undisturbed run."""

    @property
    def project(self) -> Project:
        return Project(self.folder / "project")

    def prepare(self) -> None:
        """Run the pipeline stage by stage, and keep a copy from before each."""
        make_project(self.project.root)
        for stage in STAGES:
            shutil.copytree(self.project.root, self.folder / stage, symlinks=True)
            with repro(self.project, self.folder / "log", stage) as run:
                run.wait_for(stage)
                started = time.monotonic()
                run.wait()
                self.seconds[stage] = time.monotonic() - started
                assert run.process.returncode == 0, run.printed
        self.reference = outputs(self.project.root)
        assert not self.faults(), self.faults()

    def restore(self, stage: str) -> None:
        """Make the project what it was before a stage."""
        shutil.rmtree(self.project.root)
        shutil.copytree(self.folder / stage, self.project.root, symlinks=True)

    def faults(self) -> list[str]:
        """What distinguishes the finished project from one after an undisturbed run."""
        root = self.project.root
        missing = [f"{name} is missing" for name in self.reference.keys() - outputs(root).keys()]
        again = [f"{stage} would run again" for stage in changed_since(self.project.run("dvc", "status").stdout)]
        return [*missing, *differing(outputs(root), self.reference), *again, *leftovers(root), *registry_faults(root)]


@dataclass
class Trial:
    """One kill and what came of it."""

    stage: str
    """That ran when it was killed, or `the end` when all had ended."""
    resumed: bool
    half: list[str]
    """Outputs that were there after the kill and not whole."""
    faults: list[str]
    """After `dvc repro`."""
    emptied: bool
    """Whether DVC's file of locks was killed in the making, and had to be deleted."""
    scratch: int
    """Files left in the system's folder for temporary files."""


def trial(bench: Bench, stage: str, moment: random.Random) -> Trial:
    """Kill `dvc repro` in a stage, and let another finish."""
    bench.restore(stage)
    scratch = bench.folder / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    environment = {"TMPDIR": str(scratch)}
    with repro(bench.project, bench.folder / "log", **environment) as run:
        run.wait_for(stage)
        run.wait(moment.uniform(0, bench.seconds[stage]))
        killed = stages_run(run.printed)[-1] if run.kill() else "the end"
    half = differing(outputs(bench.project.root), bench.reference)
    left = len(list(scratch.iterdir()))
    locks = bench.project.root / LOCKS
    if emptied := locks.exists() and not locks.stat().st_size:
        locks.unlink()
    with repro(bench.project, bench.folder / "log", **environment) as run:
        run.wait()
        failed = [] if run.process.poll() == 0 else [f"dvc repro failed: {run.printed[-2000:]}"]
    return Trial(killed, RESUMED in run.printed, half, failed or bench.faults(), emptied, left)


def table(trials: list[Trial]) -> str:
    """Counts by stage, in Markdown."""
    lines = [
        "| killed in | kills | training resumed | DVC's locks emptied | half-written | differing or left over |",
        "|---|---|---|---|---|---|",
    ]
    for stage in (*STAGES, "the end", "all"):
        found = [trial for trial in trials if stage in (trial.stage, "all")]
        counts = (len(found), *(sum(bool(x) for x in column) for column in _columns(found)))
        lines.append(f"| `{stage}` | {' | '.join(map(str, counts))} |" if stage in STAGES else _plain(stage, counts))
    return "\n".join(lines)


def _columns(trials: list[Trial]) -> tuple[list[object], ...]:
    return (
        [t.resumed for t in trials],
        [t.emptied for t in trials],
        [t.half for t in trials],
        [t.faults for t in trials],
    )


def _plain(name: str, counts: tuple[int, ...]) -> str:
    return f"| {name} | {' | '.join(map(str, counts))} |"


def main() -> None:
    """Prepare, kill, report; exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, choices=range(1, 10_000), metavar="N", default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    options = parser.parse_args()
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else what it has started outlives it
    moment, trials = random.Random(options.seed), []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        print("an undisturbed run, stage by stage", flush=True)
        bench.prepare()
        try:
            for number in range(options.kills):
                found = trial(bench, options.stages[number % len(options.stages)], moment)
                trials.append(found)
                what = [*found.half, *found.faults] or ["same result" + (", resumed" if found.resumed else "")]
                print(f"{number + 1:3}/{options.kills} killed in {found.stage}: {'; '.join(what)}", flush=True)
        finally:  # also of a harness that is stopped early
            print(f"\n{table(trials)}\n")
            print(f"{sum(t.scratch for t in trials)} files left in the system's folder for temporary files")
    sys.exit(any(t.half or t.faults for t in trials))


if __name__ == "__main__":
    main()
