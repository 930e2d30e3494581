"""What the documentation says is true."""

import json
import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from pipeline import __version__
from pipeline.completion import completions
from pipeline.runtime.paths import WORKSPACE

PAGES = [WORKSPACE / "README.md", *sorted((WORKSPACE / "docs").glob("*.md"))]
README = PAGES[0].read_text(encoding="utf-8")
CONTRAST = ("original_accuracy", "edited_accuracy", "consistency")
MADE_BY_A_USER = "small_and_quick"
"""An experiment that the reader of a page promotes."""
OURS = {"pipeline", "benchmarks", "tests"}
OVERRIDE = re.compile(r"[+~]?[\w./]+=")
WITH_ADVICE = [*PAGES, WORKSPACE / "CONTRIBUTING.md", WORKSPACE / "Makefile"]
WITH_ADVICE += [path for folder in ("pipeline", "conf", "benchmarks") for path in (WORKSPACE / folder).rglob("*.*")]


def page(name: str) -> str:
    """The text of a page in docs/."""
    return (WORKSPACE / "docs" / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def metrics():
    show = ["git", "show", "HEAD:reports/details.json"]  # a run on another machine may differ in the last digits
    return json.loads(subprocess.run(show, cwd=WORKSPACE, capture_output=True, text=True, check=True).stdout)


def test_the_readme_quotes_the_committed_metrics(metrics):
    for name, key in {
        "accuracy": "accuracy",
        "ROC-AUC": "roc_auc",
        "log loss": "log_loss",
        "calibration error": "ece",
    }.items():
        assert f"| {name} | {metrics['test'][key]:.4f} | {metrics['baseline'][key]:.4f} |" in README
    lstm, ngrams = (metrics["parts"][part]["accuracy"] for part in ("lstm", "ngrams"))
    assert f"The n-grams alone reach {ngrams:.4f}, the LSTM alone {lstm:.4f};" in README
    sentences = metrics["auxiliary"]
    right = f"sentences by critics, some 20 words long, accuracy is {sentences['accuracy']:.3f}"
    assert f"On {sentences['reviews']:,} held-out {right}" in " ".join(README.split())


def test_pages_quote_the_committed_metrics(metrics):
    for name in ("quality.md", "article.md"):
        for split in ("test", "baseline"):
            accuracy, log_loss = metrics[split]["accuracy"], metrics[split]["log_loss"]
            assert f"| {accuracy:.4f} / {log_loss:.3f} |" in page(name), (name, split)


def test_the_page_about_behaviour_quotes_the_committed_rates(metrics):
    quoted = re.findall(r"^    (\w+) .* (\d+) +(\d+) +[\d.]+%  [\d.]+% to ", page("behaviour.md"), re.MULTILINE)
    assert {name: (int(cases), int(failed)) for name, cases, failed in quoted} == {
        name: (rate["cases"], round(rate["failure_rate"] * rate["cases"]))
        for name, rate in metrics["behaviour"].items()
    }


def test_the_page_about_contrast_pairs_quotes_the_committed_accuracies(metrics):
    shares = (f"{key.replace('_', ' ')} {metrics['contrast'][key]:.4f}" for key in CONTRAST)
    assert f"    {metrics['contrast']['pairs']} contrast pairs: {', '.join(shares)}\n" in page("contrast-pairs.md")


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
    assert f"\nversion: {__version__}\n" in (WORKSPACE / "CITATION.cff").read_text(encoding="utf-8")
    first = re.search(r"^## \[(\d.*)\]", (WORKSPACE / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert first is not None
    assert first[1] == __version__


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_and_pictures_are_there(path):
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", path.read_text(encoding="utf-8")):
        file = path.parent / target if target else path
        assert target.startswith("https://") or file.exists(), target
        assert not anchor or anchor in anchors(file), (target, anchor)


def anchors(file: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_pages_and_files_that_are_named_are_there():
    folders = "pipeline|conf|tests|docs|behaviour_suite|benchmarks|hydra_plugins"
    for path in WITH_ADVICE:
        if path.suffix in {".md", ".py", ".yaml", ".html", ""}:
            text = path.read_text(encoding="utf-8")
            named = re.findall(rf"(?<![\w/.])((?:{folders})/[\w./-]*\w)(#[\w-]+)?", text)
            if path.suffix == ".md":
                named = [(name, "") for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", text)]
            for name, anchor in named:
                assert MADE_BY_A_USER in name or (WORKSPACE / name).exists(), (path, name)
                assert not anchor or anchor[1:] in anchors(WORKSPACE / name), (path, name, anchor)


def lines(path: Path) -> list[str]:
    """The lines of a page's indented blocks, and what it puts between backticks."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(r"^ {4,}(?:\$ )?(.*)$", text, re.MULTILINE) + re.findall(r"`([^`\n]+)`", text)


def commands(path: Path) -> list[list[str]]:
    """The words of each command in a page that is one of DVC or Python."""
    found = [line for line in lines(path) if re.match(r"(dvc|python -m|\S+=\S+ python -m) ", line)]
    return [shlex.split(line.replace("…", ""), comments=True) for line in found]


@pytest.mark.parametrize("path", [*PAGES, WORKSPACE / "CONTRIBUTING.md"], ids=lambda path: path.name)
def test_modules_options_and_targets_that_are_named_are_there(path):
    targets = set(re.findall(r"^(\w+):", (WORKSPACE / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in lines(path):
        if named := re.match(r"(?:make|sentiment) ([a-z]+)\b(?! \d)", line):
            known = targets if line.startswith("make") else completions("sentiment ")
            assert named[1] in known, line
    for words in commands(path):
        if "-m" not in words or (module := words[words.index("-m") + 1]).split(".")[0] not in OURS:
            continue
        file = WORKSPACE / module.replace(".", "/")
        assert "<" in module or file.with_suffix(".py").exists() or (file / "__main__.py").exists(), module
        options = {word.split("=")[0] for word in words if word.startswith("--")}
        if module.startswith("pipeline."):
            assert options <= set(completions(f"sentiment {module.removeprefix('pipeline.')} -")), words


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_overrides_in_the_documentation_compose(path, compose):
    parser = OverridesParser.create()
    own_file = ["corpus=files", "corpus.path=reviews.csv"]
    for words in commands(path):
        trial = words[:3] == ["python", "-m", "pipeline.train"]
        overrides = [word for before, word in pairwise(words) if before == "-S" or (trial and OVERRIDE.match(word))]
        parsed = [
            parser.parse_override(word)
            for word in overrides
            if not word.startswith("hydra") and MADE_BY_A_USER not in word
        ]
        first = [
            f"{one.get_key_element()}={next(one.sweep_string_iterator())}"
            if one.is_sweep_override()
            else one.input_line
            for one in parsed
        ]
        if first:
            compose(*(own_file if any(word.startswith(("corpus.", "corpus=files")) for word in first) else []), *first)
