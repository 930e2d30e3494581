"""Every key is explained: in the schema, and from there in conf/, docs/configuration.md and `--help`."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.config.__main__ import documented
from pipeline.config.comments import commented
from pipeline.config.page import repeated_sections, stages_reading
from pipeline.config.reference import all_keys, choices, configuration_help, groups, keys_help, keys_of, sections
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import CONF, WORKSPACE
from tests.conftest import Project

FILES = sorted(CONF.rglob("*.yaml"))
PAGE = (WORKSPACE / "docs" / "configuration.md").read_text(encoding="utf-8")
"""As it is generated, which a test makes sure of."""


def test_what_is_generated_agrees_with_the_schema() -> None:
    differing = [path for path, text in documented().items() if path.read_text(encoding="utf-8") != text]
    assert not differing, "run `python -m pipeline.config`"


def lines_with_keys(node: yaml.Node | None) -> Iterator[int]:
    """Numbers of the lines with a key; the keys of a check are explained where `checks` is."""
    if isinstance(node, yaml.MappingNode):
        assert not node.flow_style, "a line for each key, so that each can have a comment"
        for key, value in node.value:
            if not (key.value == "defaults" and key.start_mark.column == 0):
                yield key.start_mark.line
            if key.value != "checks":
                yield from lines_with_keys(value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_every_key_in_conf_has_a_comment_above_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0].startswith("# ")
    assert [lines[n] for n in lines_with_keys(yaml.compose(text)) if not lines[n - 1].lstrip().startswith("# ")] == []


def test_every_key_of_the_schema_has_a_meaning_and_every_choice_a_summary() -> None:
    assert [key.name for key in all_keys().values() if not key.meaning.endswith(".")] == []
    assert [choice.name for group in groups() for choice in choices(group) if not choice.summary] == []


def test_no_key_is_shown_that_compose_fills_in() -> None:
    assert "fingerprint" not in "".join(map(keys_help, sections()))
    assert not any("fingerprint" in path.read_text(encoding="utf-8") for path in FILES)


@pytest.mark.parametrize(
    ("key", "allowed", "only_with"),
    [
        ("corpus.kind", "archive, files or package", ""),
        ("corpus.path", "text or null", "kind=files"),
        ("corpus.checksum", "text", "kind=archive or package"),
        ("corpus.labels.NAME", "list or text", "kind=files"),
        ("model.cell", "lstm, gru or rnn", "network=sentiment_rnn"),
        ("model.pooling", "list, each last, mean or max", "network=sentiment_rnn"),
        ("model.wide", "", "network=sentiment_rnn"),
        ("model.embedding_dim", "integer from 1 to 65,536", ""),
        ("text.vectors.kind", "file or package", ""),
        ("pseudo_labels.teacher.lr", "number above 0 and at most 100", ""),
        ("training.ema_decay", "number above 0 and below 1 or null", ""),
        ("registry.checks.NAME.min", "number or null", ""),
        ("seed", "integer from 0 to 4,294,967,295", ""),
    ],
)
def test_allowed_values_come_from_the_schema(key: str, allowed: str, only_with: str) -> None:
    assert (all_keys()[key].allowed, all_keys()[key].only_with) == (allowed, only_with)


def test_every_key_is_listed_once() -> None:
    listed = [key.name for section in sections() for key in keys_of(section)]
    assert len(listed) == len(set(listed))
    assert set(all_keys()) - set(listed) == {name for name in all_keys() if "." not in name} - {"seed"}


@pytest.mark.parametrize(
    ("key", "stages"),
    [
        ("corpus.url", ["download"]),
        ("trainer.threads", ["pretrain", "pseudo_label", "train"]),
        ("pseudo_labels.confidence", ["train"]),
        ("pseudo_labels.teacher.lr", ["pseudo_label", "train"]),
        ("registry.alpha", ["register"]),
        ("registry.checks", ["evaluate", "register"]),
        ("sweep.keep", []),
    ],
)
def test_the_stages_that_a_key_reruns_are_those_of_dvc(key: str, stages: list[str]) -> None:
    assert stages_reading(key) == stages


def test_the_page_marks_the_choices_that_the_default_configuration_is_composed_of() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `corpus/auxiliary=")]
    assert [row.split("`")[1] for row in rows if "` (default) |" in row] == ["corpus/auxiliary=rotten_tomatoes"]
    assert any("`corpus/auxiliary=none` |" in row and "Default with `corpus=files`, " in row for row in rows)


def test_the_page_has_one_row_for_the_keys_of_a_section_that_another_has_too() -> None:
    assert repeated_sections() == {
        "corpus.auxiliary": ("corpus", "kind=package"),
        "pseudo_labels.teacher": ("training", ""),
        "evaluation.contrast_pairs.format": ("corpus.format", "kind=files"),
    }
    rows = [line for line in PAGE.splitlines() if ".KEY` |" in line]
    assert [row.split("`")[1] for row in rows] == [
        "corpus.auxiliary.KEY",
        "pseudo_labels.teacher.KEY",
        "evaluation.contrast_pairs.format.KEY",
    ]
    assert "`name`: `rotten_tomatoes`; " in rows[0]
    assert "| as there | As `training.KEY`. |" in rows[1]


def test_the_page_has_a_row_for_every_other_key() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|", PAGE, re.MULTILINE)
    repeated = tuple(f"{name}." for name in repeated_sections())
    assert {name for name in rows if not name.endswith(".KEY")} == {
        name for name in all_keys() if not name.startswith(repeated) and ("." in name or name in ("seed", "split"))
    }
    assert {name for name in rows if rows.count(name) > 1} == {"corpus.checksum"}  # of two kinds of corpus


OWN = """\
# A recipe of one's own.
#
# With two paragraphs.
model:
    # an old comment
    hidden_dim: 64 # so that it fits

    cell: gru
"""
COMMENTED = """\
# A recipe of one's own.
#
# With two paragraphs.

# {model}
model:
    # {hidden_dim}
    hidden_dim: 64 # so that it fits

    # {cell}
    cell: gru
"""


def test_comments_are_renewed_and_what_is_written_by_hand_stays() -> None:
    path = CONF / "experiment" / "own.yaml"
    text = f"# @package _global_\n{OWN}"
    keys = {name: all_keys()[f"model.{name}"].text for name in ("hidden_dim", "cell")}
    expected = f"# @package _global_\n{COMMENTED.format(model='Network.', **keys)}"
    assert commented(text, path, CONF) == commented(expected, path, CONF) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr: 1e-3\n", "own.yaml: begin it with a comment"),
        ("# Mine.\nlearning_rate: 1e-3\n", "own.yaml: training.learning_rate is not in the schema"),
    ],
)
def test_a_file_that_cannot_be_commented_is_named(text: str, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        commented(text, CONF / "training" / "own.yaml", CONF)


def test_the_help_lists_groups_with_their_choices_and_by_name_keys_with_their_meanings() -> None:
    shown = configuration_help()
    for group in groups():
        for choice in choices(group):
            assert f"\n  {group}={choice.name}" in shown
            assert f"\n  {group}={choice.name}" in keys_help(group)
    words = " ".join(" ".join(map(keys_help, sections())).split())
    for key in all_keys().values():
        if "." in key.name:
            assert f"{key.name} {key.text}" in words


def test_the_help_of_a_part_of_a_name_lists_the_keys_with_it() -> None:
    listed = re.findall(r"^  (\S+)", keys_help("dropout"), re.MULTILINE)
    assert listed == [name for name in all_keys() if "dropout" in name]
    with pytest.raises(PipelineError, match=r"model\.hiden_dim: unknown key or group.*did you mean model\.hidden_dim"):
        keys_help("model.hiden_dim")


@pytest.mark.parametrize(("names", "code"), [(["training", "seed"], 0), (["xdropout"], 2)])
def test_train_explains_the_keys_that_its_help_is_asked_for(names: list[str], code: int) -> None:
    shown = Project(WORKSPACE).run("python", "-m", "pipeline.train", "--help", *names, check=False)
    assert shown.returncode == code
    if code:
        assert shown.stderr == "error: xdropout: unknown key or group, --help lists the groups\n"
    else:
        assert shown.stdout == "\n\n".join(map(keys_help, names)) + "\n"


def test_hydra_shows_the_configuration_that_overrides_lead_to() -> None:
    shown = Project(WORKSPACE).run("python", "-m", "pipeline.train", "--cfg", "job", "model=gru").stdout
    assert "  cell: gru\n" in shown
