"""Kill `dvc repro` at a random moment of each stage in turn; check that a plain `dvc repro` then gives the same result.

  python -m tests.torture                          100 kills
  python -m tests.torture --kills 9 --seed 7       one of each stage, at other moments

Each kill ends the whole process group (SIGKILL), in a project of real reviews as it was before the stage. Then
`dvc repro` must succeed: with the metrics, the weights and all other outputs of an undisturbed run to the last byte,
one champion, no run left RUNNING in MLflow, and nothing unfinished in the folder. If the kill came while DVC wrote its
own file of locks, which no DVC command can then read, that file is deleted first, as docs/faults.md says. Prints a line
for each kill, and a table.
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
from tests.support.pipeline_runs import STAGES, stages_run
from tests.torture.checks import changed_since, differing, leftovers, outputs, registry_faults
from tests.torture.killing import repro
from tests.torture.project import make_project

LOCKS = Path(".dvc/tmp/rwlock")
RESUMED = "resuming "


@dataclass
class Bench:
    """A project, with copies from before each stage, and the outputs of an undisturbed run."""

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    """Duration of each stage."""
    reference: dict[str, str] = field(default_factory=dict)
    """Hashes of the outputs of an undisturbed run."""

    @property
    def project(self) -> Project:
        return Project(self.folder / "project")

    def prepare(self) -> None:
        """Run the pipeline stage by stage, and keep a copy from before each stage."""
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
        """Restore the project from before a stage."""
        shutil.rmtree(self.project.root)
        shutil.copytree(self.folder / stage, self.project.root, symlinks=True)

    def faults(self) -> list[str]:
        """List the differences between the finished project and one after an undisturbed run."""
        root = self.project.root
        missing = [f"{name} is missing" for name in self.reference.keys() - outputs(root).keys()]
        again = [f"{stage} would run again" for stage in changed_since(self.project.run("dvc", "status").stdout)]
        return [*missing, *differing(outputs(root), self.reference), *again, *leftovers(root), *registry_faults(root)]


@dataclass
class Kill:
    """One kill and its consequences."""

    stage: str
    """Stage that was running, or `the end` if all had ended."""
    resumed: bool
    partial: list[str]
    """Outputs that existed after the kill and were incomplete."""
    faults: list[str]
    """Faults of the project after `dvc repro`."""
    emptied: bool
    """True if DVC was killed while it wrote its file of locks, which then had to be deleted."""
    scratch: int
    """Number of files left in the system's folder for temporary files."""


def kill_in(bench: Bench, stage: str, moment: random.Random) -> Kill:
    """Kill `dvc repro` in a stage, then run `dvc repro` to its end."""
    bench.restore(stage)
    scratch = bench.folder / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    environment = {"TMPDIR": str(scratch)}
    with repro(bench.project, bench.folder / "log", **environment) as run:
        run.wait_for(stage)
        run.wait(moment.uniform(0, bench.seconds[stage]))
        killed = stages_run(run.printed)[-1] if run.kill() else "the end"
    partial = differing(outputs(bench.project.root), bench.reference)
    scratch_files = len(list(scratch.iterdir()))
    locks = bench.project.root / LOCKS
    if emptied := locks.exists() and not locks.stat().st_size:
        locks.unlink()
    with repro(bench.project, bench.folder / "log", **environment) as run:
        run.wait()
        failed = [] if run.process.poll() == 0 else [f"dvc repro failed: {run.printed[-2000:]}"]
    return Kill(killed, RESUMED in run.printed, partial, failed or bench.faults(), emptied, scratch_files)


def table(kills: list[Kill]) -> str:
    """Return a Markdown table of counts by stage."""
    lines = [
        "| killed in | kills | training resumed | DVC's locks emptied | half-written | differing or left over |",
        "|---|---|---|---|---|---|",
    ]
    for stage in (*STAGES, "the end", "all"):
        counted = [kill for kill in kills if stage in (kill.stage, "all")]
        rows = [(kill.resumed, kill.emptied, kill.partial, kill.faults) for kill in counted]
        counts = (len(rows), *(sum(bool(row[column]) for row in rows) for column in range(4)))
        name = f"`{stage}`" if stage in STAGES else stage
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def main() -> None:
    """Prepare, kill and report; exit with 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, choices=range(1, 10_000), metavar="N", default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    options = parser.parse_args()
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else its child processes outlive it
    moment, kills = random.Random(options.seed), []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        print("an undisturbed run, stage by stage", flush=True)
        bench.prepare()
        try:
            for number in range(options.kills):
                kill = kill_in(bench, options.stages[number % len(options.stages)], moment)
                kills.append(kill)
                result = [*kill.partial, *kill.faults] or ["same result" + (", resumed" if kill.resumed else "")]
                print(f"{number + 1:3}/{options.kills} killed in {kill.stage}: {'; '.join(result)}", flush=True)
        finally:  # also if this program is stopped early
            print(f"\n{table(kills)}\n")
            print(f"{sum(kill.scratch for kill in kills)} files left in the system's folder for temporary files")
    sys.exit(any(kill.partial or kill.faults for kill in kills))


if __name__ == "__main__":
    main()
