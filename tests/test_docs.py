"""What the documentation says is true."""

import json
import re

import pytest

from pipeline.config import WORKSPACE

PAGES = [WORKSPACE / "README.md", *sorted((WORKSPACE / "docs").glob("*.md"))]
README = PAGES[0].read_text(encoding="utf-8")


def test_the_readme_quotes_the_committed_metrics():
    metrics = json.loads((WORKSPACE / "reports" / "metrics.json").read_text())
    for name, key in {
        "accuracy": "accuracy",
        "ROC-AUC": "roc_auc",
        "log loss": "log_loss",
        "calibration error": "ece",
    }.items():
        assert f"| {name} | {metrics['test'][key]:.4f} | {metrics['baseline'][key]:.4f} |" in README


def test_the_readme_names_every_choice():
    for path in (WORKSPACE / "conf").glob("*/*.yaml"):
        row = next(line for line in README.splitlines() if f"`{path.parent.name}`" in line and line.startswith("|"))
        assert f"`{path.stem}`" in row, path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_overrides_in_the_documentation_compose(page, compose):
    own_file = ["corpus=files", "corpus.path=reviews.csv"]
    for override in re.findall(r"-S [\"']?([a-z_.]+=[^\s\"',<]+)", page.read_text(encoding="utf-8")):
        compose(*(own_file if override.startswith("corpus") else []), override.replace("'", ""))
