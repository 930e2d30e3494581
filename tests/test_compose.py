"""params.yaml: where it comes from, and what a user loses who edits it."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import compose
from pipeline.config.composition import compose_config
from tests.runtime.test_credentials import PASSWORD, WITH_PASSWORD


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A params.yaml as `compose` writes it where there is none. Not to be changed."""
    path = tmp_path_factory.mktemp("composed") / "params.yaml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(path.parent))
        patch.setattr(compose, "PARAMS", path)
        compose.main()
    return path


@pytest.fixture
def params(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Path:
    """A copy of it to change."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(compose, "PARAMS", tmp_path / "params.yaml")
    caplog.set_level(logging.INFO)
    return Path(shutil.copy(written, tmp_path))


def edit(params: Path, **sections: Mapping[str, Any]) -> None:
    values = yaml.safe_load(params.read_text())
    for section, changes in sections.items():
        values[section] |= changes
    params.write_text(yaml.safe_dump(values))


def test_params_yaml_says_where_it_comes_from(params: Path, caplog: pytest.LogCaptureFixture) -> None:
    params.unlink()
    compose.main()
    assert caplog.messages == []
    header, *_ = text = params.read_text().splitlines()
    assert header == "# Generated from conf/ by `python -m pipeline.compose`; edits are overwritten."
    values = yaml.safe_load("\n".join(text))
    assert values["evaluation"]["contrast_pairs"].pop("fingerprint").startswith("sha256:")
    for section in (values["corpus"], values["evaluation"]["memory_ladder"]):
        assert section.pop("fingerprint") is None
    assert list(values.items()) == list(compose_config([]).items())


def test_values_that_go_back_to_conf_are_named_with_what_to_edit(
    params: Path, caplog: pytest.LogCaptureFixture
) -> None:
    composed = params.read_text()
    edit(params, training={"lr": 0.5, "of_another_time": 1}, split={"test": 0.1})
    compose.main()
    (message,) = caplog.messages
    assert message.startswith(
        "params.yaml: split.test 0.1 → 0.2, training.lr 0.5 → 0.004, training.of_another_time 1 → (none), as composed "
    )
    assert "edit conf/config.yaml and conf/training/, or set it for one run with -S in `dvc exp run`" in message
    assert params.read_text() == composed


def test_of_many_changes_the_first_are_named(params: Path, caplog: pytest.LogCaptureFixture) -> None:
    edit(params, training=dict.fromkeys(("epochs", "batch_size", "lr", "beta2", "warmup", "wide_lr", "schedule"), 7))
    compose.main()
    assert ", training.schedule 7 → cosine and 2 more, as composed" in caplog.text


def test_a_secret_among_them_is_hidden(params: Path, caplog: pytest.LogCaptureFixture) -> None:
    edit(params, tracking={"uri": WITH_PASSWORD})
    compose.main()
    assert "tracking.uri " in caplog.text
    assert PASSWORD not in caplog.text


def test_fingerprints_and_form_change_without_a_word(params: Path, caplog: pytest.LogCaptureFixture) -> None:
    edit(params, corpus={"fingerprint": "sha256:0"})
    compose.main()
    assert caplog.messages == []


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\nseed: 1\n", "[]\n", ""])
def test_a_damaged_file_is_composed_again(params: Path, caplog: pytest.LogCaptureFixture, text: str) -> None:
    composed = params.read_text()
    params.write_text(text)
    compose.main()
    assert caplog.messages == [
        "params.yaml cannot be read, so it is composed again from conf/; edit the files there instead"
    ]
    assert params.read_text() == composed
