"""What the documentation says is true."""

import json
import re
import shlex
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.runtime.paths import WORKSPACE

PAGES = [WORKSPACE / "README.md", *sorted((WORKSPACE / "docs").glob("*.md"))]
README = PAGES[0].read_text(encoding="utf-8")


def test_the_readme_quotes_the_committed_metrics():
    show = ["git", "show", "HEAD:reports/details.json"]  # a run on another machine may differ in the last digits
    metrics = json.loads(subprocess.run(show, cwd=WORKSPACE, capture_output=True, text=True, check=True).stdout)
    for name, key in {
        "accuracy": "accuracy",
        "ROC-AUC": "roc_auc",
        "log loss": "log_loss",
        "calibration error": "ece",
    }.items():
        assert f"| {name} | {metrics['test'][key]:.4f} | {metrics['baseline'][key]:.4f} |" in README


def test_the_readme_names_every_choice():
    conf = WORKSPACE / "conf"
    for path in conf.rglob("*/*.yaml"):
        group, name = path.parent.relative_to(conf).as_posix(), path.stem
        if group.startswith(("model/", "experiment/")):  # folders of choices, not groups of their own
            group, name = group.split("/")[0], f"{group.split('/')[1]}/…"
        row = next(line for line in README.splitlines() if f"`{group}`" in line and line.startswith("|"))
        assert f"`{name}`" in row, path


def test_the_index_names_every_page():
    index = (WORKSPACE / "docs" / "README.md").read_text(encoding="utf-8")
    for page in PAGES[1:]:
        assert f"]({page.name})" in index or page.name == "README.md", page


def test_the_changelog_and_the_citation_are_of_this_version():
    version = tomllib.loads((WORKSPACE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (WORKSPACE / "CITATION.cff").read_text(encoding="utf-8")
    first = re.search(r"^## \[(\d.*)\]", (WORKSPACE / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert first is not None
    assert first[1] == version


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def commands(page: Path) -> list[list[str]]:
    """The words of each command in a page's indented blocks."""
    code = re.findall(r"^    (.*)$", page.read_text(encoding="utf-8").replace("\\\n", " "), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in code if line.startswith(("dvc ", "python -m "))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_overrides_in_the_documentation_compose(page, compose):
    for words in commands(page):
        overrides = [
            word for before, word in pairwise(words) if before == "-S" and "," not in re.split(r"[\[{]", word)[0]
        ]
        own_file = ["corpus=files", "corpus.path=reviews.csv"]
        compose(*(own_file if any(word.startswith("corpus.") for word in overrides) else []), *overrides)
