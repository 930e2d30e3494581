"""The package as it is used from Python."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch

import pipeline
from pipeline import PipelineError, SentimentModule, load, load_model, review_loader, save_model
from pipeline.runtime.paths import WORKSPACE

REVIEWS = pd.DataFrame({"text": ["a delight", "a bore", None, "pure joy"], "label": ["positive", "negative"] * 2})


def test_import_of_the_package_loads_no_library():
    code = (
        "import pipeline, sys; pipeline.__version__, dir(pipeline)\n"
        "print({name.split('.')[0] for name in sys.modules} & {'torch', 'numpy', 'mlflow', 'hydra', 'pydantic'})"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=WORKSPACE)
    assert printed.stdout == "set()\n"


def test_every_public_name_is_there_and_has_one_version():
    assert all(getattr(pipeline, name) is not None for name in pipeline.__all__)
    assert set(pipeline.__all__) <= set(dir(pipeline))
    with pytest.raises(AttributeError, match="no attribute 'load_modle'"):
        pipeline.load_modle  # noqa: B018
    assert pipeline.__version__ == version("sentiment-pipeline")
    assert "version" in tomllib.loads((WORKSPACE / "pyproject.toml").read_text())["project"]["dynamic"]


@pytest.fixture
def trainer(tmp_path):
    return lambda **options: pl.Trainer(
        accelerator="cpu", default_root_dir=tmp_path, logger=False, enable_progress_bar=False, **options
    )


def test_a_trained_model_predicts_tests_and_is_trained_further(trained, tmp_path, trainer):
    folder = str(trained.root / "artifacts" / "model")
    network, vocabulary, info = load_model(folder)
    module = SentimentModule.from_model(network, info, lr=1e-3, schedule="constant")
    of_texts = review_loader(REVIEWS["text"], None, vocabulary, info, batch_size=3)

    def answers():
        return torch.cat(trainer().predict(module, of_texts))

    before = answers()
    predicted = [prediction.probability for prediction in load(folder)(REVIEWS["text"])]
    calibrated = info.calibration.probabilities(torch.logit(before)[:, None].numpy())[:, 1]
    assert calibrated.tolist() == pytest.approx(predicted, abs=1e-4)

    labelled = review_loader(REVIEWS["text"], REVIEWS["label"], vocabulary, info, batch_size=3, shuffle=True)
    (tested,) = trainer().test(module, labelled, verbose=False)
    assert tested["test/accuracy"] == ((before >= 0.5) == torch.tensor([True, False] * 2)).float().mean()
    trainer(max_epochs=2, limit_val_batches=0).fit(module, labelled)
    after = answers()
    (again,) = trainer().test(module, labelled, verbose=False)
    assert again["test/loss"] < tested["test/loss"]

    save_model(str(tmp_path / "mine"), module.network, vocabulary, info.model_dump())
    mine = SentimentModule.from_model(load_model(tmp_path / "mine")[0], info)
    assert torch.cat(trainer().predict(mine, of_texts)).equal(after)


def test_a_checkpoint_is_loaded_without_unpickling(trained, tmp_path, trainer):
    network, vocabulary, info = load_model(trained.root / "artifacts" / "model")
    module = SentimentModule.from_model(network, info, seed=7)
    labelled = review_loader(REVIEWS["text"], REVIEWS["label"], vocabulary, info)
    fit = trainer(max_steps=1, limit_val_batches=0, enable_checkpointing=False)
    fit.fit(module, labelled)
    fit.save_checkpoint(tmp_path / "module.ckpt")
    loaded = SentimentModule.load_from_checkpoint(tmp_path / "module.ckpt", weights_only=True)
    assert (loaded.seed, loaded.config, loaded.hparams) == (7, module.config, module.hparams)
    assert torch.cat(trainer().predict(loaded, labelled)).equal(torch.cat(trainer().predict(module, labelled)))


@pytest.mark.parametrize(
    ("texts", "labels", "problem"),
    [
        ("a delight", None, "give a list: review_loader"),
        ([], None, "there are none"),
        (["a delight"], ["good"], "no class 'good'; its classes are 'negative', 'positive'"),
        (["a delight"], [], "0 for 1 texts"),
        ([3], None, "text 0 is 3, not a text"),
    ],
)
def test_texts_and_labels_that_do_not_fit_are_refused(trained, texts, labels, problem):
    _, vocabulary, info = load_model(trained.root / "artifacts" / "model")
    with pytest.raises(PipelineError, match=problem):
        review_loader(texts, labels, vocabulary, info)


def test_a_wrong_key_of_the_training_is_refused(trained):
    network, _, info = load_model(trained.root / "artifacts" / "model")
    with pytest.raises(PipelineError, match="training: 'learning_rate'"):
        SentimentModule.from_model(network, info, learning_rate=1e-3)


def python_blocks(page):
    """The indented blocks of a page, in one piece."""
    return "\n".join(re.findall(r"^    (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE))


def code_cells(notebook):
    """The code of a notebook, in one piece; it was executed as it stands there."""
    cells = [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    return "\n".join("".join(cell["source"]) for cell in cells)


@pytest.mark.parametrize("name", ["python.md", "tour.ipynb"])
def test_the_code_of_the_page_and_of_the_notebook_runs(trained, tmp_path, monkeypatch, name):
    page = WORKSPACE / "docs" / name
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "model").symlink_to(trained.root / "artifacts" / "model")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names: dict[str, object] = {}
    exec(compile(python_blocks(page) if page.suffix == ".md" else code_cells(page), str(page), "exec"), names)
    assert isinstance(names["module"], SentimentModule)
    assert load("artifacts/mine")(["a delight"])[0].label in ("negative", "positive")
