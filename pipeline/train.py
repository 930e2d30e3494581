"""Train a network on artifacts/dataset/.

The configuration is always conf/ with overrides.

Without arguments this is the DVC stage: its overrides are those of `dvc exp run -S`, and params.yaml is what `compose`
made of conf/ with them. It writes artifacts/model/, artifacts/run.json and reports/learning_curve.csv.

With overrides as arguments it composes conf/ itself and trains a trial beside the pipeline: params.yaml is not read,
and no output of the pipeline is written. Each trial has a folder under trials/ and an MLflow run of its own. With -m
every combination of values is a trial:

  python -m pipeline.train model.hidden_dim=64
  python -m pipeline.train -m model.hidden_dim=64,128 training.lr=1e-3,3e-3
  python -m pipeline.train -m sweep=grid
  python -m pipeline.train -m sweep=kfold

If a training was stopped, run the same command again: it resumes from its newest checkpoint, and a sweep trains only
the trials that have not finished. More: docs/sweep.md

Hydra's own options work too: --cfg job shows the configuration that overrides lead to, --info how it was composed,
--hydra-help lists the others.

--help NAME shows the keys of a group or section, or those whose names contain NAME:

  python -m pipeline.train --help training
  python -m pipeline.train --help dropout
"""

import sys
from importlib import import_module

from pipeline.cli import Parser, tidy_exit
from pipeline.config.debug import require_no_debug
from pipeline.config.schema import Config
from pipeline.config.training import require_no_fold
from pipeline.runtime.garbage import importing
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.paths import ARTIFACTS, REPORTS
from pipeline.stage import run_stage
from pipeline.training.inputs import TRAINING_INPUTS


def main(config: Config, inputs: Inputs) -> None:
    """Train the model of the pipeline."""
    require_no_fold(config.training)
    require_no_debug(config.debug)
    with importing():  # not above: --help and an error in params.yaml need neither torch, nor Lightning, nor MLflow
        from pipeline.trained_model import train_model
    train_model(config, inputs, ARTIFACTS, REPORTS)


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv):
        reference = import_module("pipeline.config.reference")  # no import statement: the stage must not depend on it
        names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
        if names:
            with tidy_exit(2):
                print("\n\n".join(map(reference.keys_help, names)))
        else:
            parser = Parser(__doc__, reference.configuration_help())
            parser.usage = "python -m pipeline.train [-m] [GROUP=CHOICE ...] [KEY=VALUE ...]"
            parser.print_help()
    elif len(sys.argv) == 1:
        run_stage(main, __doc__, *TRAINING_INPUTS)
    else:
        from pipeline.trained_model import train_model

        # by its name: an import would count as code of the stage, so that a change of the sweep room reran it
        import_module("pipeline.sweep.command").main(train_model)
