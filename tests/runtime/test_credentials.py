"""Passwords, tokens and keys: shown nowhere, and refused before anything is written."""

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml
from dvc.exceptions import DvcException
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl

from hydra_plugins.experiment_lock import ExperimentLock
from hydra_plugins.no_secrets import NoSecrets
from pipeline import compose
from pipeline.config.composition import compose_config
from pipeline.config.schema import validate
from pipeline.runtime.credentials import hide_secrets, holds_secret, masked, secret_keys, sets_secret
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.runtime.pipeline_lock import Holder, acquire
from tests.conftest import Project, composed, copy_project

PASSWORD = "hunter" * 2  # which this file, in the copies of the project, does not hold
WITH_PASSWORD = f"http://ann:{PASSWORD}@127.0.0.1:9"
INSTEAD = "tracking.uri: holds a password, token or key, .*; set MLFLOW_TRACKING_USERNAME and"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://ann:hunter2@host:5000", "http://***@host:5000"),
        ("http://ann:hun@ter2@host/path", "http://***@host/path"),
        ("to s3://key:hunter2@bucket/a: refused", "to s3://***@bucket/a: refused"),
        ("postgresql://host/runs?user=ann&password=hunter2", "postgresql://host/runs?user=ann&password=***"),
        ("postgresql://host/runs?password=hun@ter2&sslmode=require", "postgresql://host/runs?password=***&sslmode=require"),
        ("postgresql://host/runs?sslpassword=hunter2", "postgresql://host/runs?sslpassword=***"),
        ("postgresql://host/runs?passfile=/home/ann/.pgpass", "postgresql://host/runs?passfile=/home/ann/.pgpass"),
        ("https://host/a?api_key=hunter2&b=1", "https://host/a?api_key=***&b=1"),
        ("https://host/a?X-Amz-Credential=hunter2&X-Amz-Signature=hunter2", "https://host/a?X-Amz-Credential=***&X-Amz-Signature=***"),
        ("https://host/a?sv=1&sig=hunter2", "https://host/a?sv=1&sig=***"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dhunter2", "mssql+pyodbc:///?odbc_connect=***"),
        ("+tracking.password=hunter2 was given", "+tracking.password=*** was given"),
        ("sqlite:////home/ann@work/mlflow.db", "sqlite:////home/ann@work/mlflow.db"),
        ("text.tokenizer=basic_english text.max_tokens=400", "text.tokenizer=basic_english text.max_tokens=400"),
    ],
)  # fmt: skip
def test_secrets_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        WITH_PASSWORD,
        "http://:hunter2@host",
        "https://a-token@host/a.tar.gz",
        "postgresql://ann:hun/ter2@host/runs",
        "postgresql://ann:hun?ter 2@host/runs",
        "postgresql://host/runs?sslmode=require&PASSWORD=hunter2",
        "https://host/a.tar.gz?token=hunter2",
        "postgresql://u:2024#hunter2@h/db",
        "postgresql+psycopg2://u:2024/hunter2@h/db",
        "postgresql://u:2024?hunter2@h/db",
        "export MLFLOW_TRACKING_PASSWORD=hunter2",
        "export HF_TOKEN='hunter2'",
        "env AWS_SECRET_ACCESS_KEY=hunter2 srun",
    ],
)
def test_an_address_with_a_secret_is_told(text: str) -> None:
    assert holds_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000",
        "http://127.0.0.1:5000 # ask ann@example.org",
        "https://host:8443/releases/reviews@v1.tar.gz?download=1",
        "postgresql://mlflow@127.0.0.1/mlflow?passfile=/home/ann/.pgpass",
        "sqlite:///mlflow.db",
        "postgresql://user@host/db",
        "postgresql://127.0.0.1:5432/mlflow # ask ann@example.org",
        "http://host:5000/x@y",
        "hdfs://host:8020/user/ann@corp",
        "mlflow-artifacts://host:5000/ann@corp",
        "passfile=/home/ann/.pgpass",
        "export MLFLOW_TRACKING_TOKEN=$TOKEN; export OLDPWD=/tmp",
        "text.tokenizer=basic text.max_tokens=5 corpus.text_column=key corpus.path=/home/ann@work/a.csv",
    ],
)
def test_an_address_without_is_none(text: str) -> None:
    assert not holds_secret(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{password:hunter2}", True),
        ("{uri:http://h, 'PASSWORD' : hunter2}", True),
        ("{a:{b:1},token:hunter2}", True),
        ("choice({a:1},{api_key:hunter2})", True),
        ("{text_column:key,max_tokens:5,tokenizer:basic,passfile:/home/ann/.pgpass}", False),
        ("${oc.env:HOME}", False),
        ("[key,token]", False),
    ],
)
def test_a_dictionary_with_a_secret_is_told(text: str, expected: bool) -> None:
    assert sets_secret(text) is expected


def test_a_secret_is_found_and_hidden_wherever_it_is_in_a_configuration() -> None:
    values = {"tracking": {"uri": WITH_PASSWORD, "password": "x"}, "lists": [{"a": [1, "http://t@h"]}], "max_tokens": 4}
    values["itself"] = values
    assert secret_keys(values) == ["tracking.uri", "tracking.password", "lists.a"]
    hide_secrets(values)
    assert values["tracking"] == {"uri": "***", "password": "***"}
    assert values["lists"] == [{"a": [1, "***"]}]
    assert secret_keys(values) == []


def test_no_configuration_that_comes_with_the_project_is_taken_for_a_secret() -> None:
    for choice in ("corpus=aclimdb", "corpus=files", "tracking=server", "experiment=best", "text/vectors=glove_6b_50d"):
        assert secret_keys(composed(choice)) == []


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (f"tracking.uri={WITH_PASSWORD}", INSTEAD),
        (f"--set-param=params.yaml:tracking.uri={WITH_PASSWORD}", INSTEAD),
        (f"tracking.uri=http://127.0.0.1:9,{WITH_PASSWORD}", INSTEAD),
        (f"corpus.url=https://host/a?token={PASSWORD}", r"corpus.url: holds a .*; put it into ~/.netrc instead, or"),
        (f"+tracking.password={PASSWORD}", "tracking.password: holds a password"),
        (f"hydra.job.env_set.MLFLOW_TRACKING_PASSWORD={PASSWORD}", "MLFLOW_TRACKING_PASSWORD: holds a password"),
        (f"+tracking={{password:{PASSWORD}}}", "tracking: holds a password"),
        (f"-S+tracking={{uri:x, 'password': {PASSWORD}}}", "tracking: holds a password"),
        (f"tracking.uri=postgresql://u:2024#{PASSWORD}@h/db", INSTEAD),
        (f"hydra.launcher.setup=[export MLFLOW_TRACKING_PASSWORD={PASSWORD}]", "launcher.setup: holds a password"),
        (f"--message=to {WITH_PASSWORD}", "the command line: holds a password"),
    ],
)  # fmt: skip
def test_a_command_line_with_a_secret_is_refused_before_hydra_composes(
    argument: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", argument])
    with pytest.raises(PipelineError, match=message) as refused:
        compose_config([])
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    ("added", "place"),
    [
        (f"uri: {WITH_PASSWORD}", "line 3"),
        (f"password: {PASSWORD}", "password"),
        (f"more:\n  - {{api_key: {PASSWORD}}}", "more.api_key"),
        (f'uri: "http://ann:\\\n  {PASSWORD}@host"', "uri"),
        (f"setup: [export MLFLOW_TRACKING_PASSWORD={PASSWORD}]", "line 3"),
        (f"not YAML: [\nuri: {WITH_PASSWORD}", "line 4"),
    ],
)
@pytest.mark.parametrize("folder", ["plain", "100%25 # which?"])
def test_a_file_of_conf_with_a_secret_is_refused_before_hydra_composes(
    added: str, place: str, folder: str, tmp_path: Path
) -> None:
    conf = tmp_path / folder / "conf"
    shutil.copytree(WORKSPACE / "conf", conf)
    server = conf / "tracking" / "server.yaml"
    server.write_text(f"# as http://ann:…@host\ndefaults: [local, _self_]\n{added}\n")
    with pytest.raises(PipelineError, match=rf"^conf/tracking/server.yaml, {place}: holds a password") as refused:
        compose_config([], conf)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(("option", "holds"), [("--queue", True), ("--temp", False)])
def test_the_lock_is_taken_in_the_project_whose_conf_is_composed(
    option: str, holds: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "100%25 # which?"
    search_path = ConfigSearchPathImpl()
    search_path.append("main", f"file://{project}/conf")
    project.mkdir()
    monkeypatch.setitem(sys.modules, "dvc.utils.hydra", sys)
    monkeypatch.setattr(sys, "argv", ["dvc", "exp", "run", option])
    ExperimentLock().manipulate_search_path(search_path)
    assert [path.name for path in tmp_path.iterdir()] == [project.name]
    assert (project / ".checkpoints" / "pipeline.json").exists() is holds


def test_a_held_lock_refuses_a_temporary_experiment_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search_path = ConfigSearchPathImpl()
    search_path.append("main", f"file://{tmp_path}/conf")
    acquire(tmp_path, Holder.of(psutil.Process().parent()))
    monkeypatch.setitem(sys.modules, "dvc.utils.hydra", sys)
    monkeypatch.setattr(sys, "argv", ["dvc", "exp", "run", "--temp"])
    with pytest.raises(DvcException, match="another command"):
        ExperimentLock().manipulate_search_path(search_path)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    copy = copy_project(tmp_path_factory.mktemp("project"))
    copy.run("python", "-m", "pipeline.compose")
    copy.commit("The configuration")
    return copy


def written_secrets(project: Project) -> list[str]:
    """Name the files, and the objects of git, that hold the password."""
    command = ["git", "cat-file", "--batch-all-objects", "--batch"]
    objects = subprocess.run(command, cwd=project.root, capture_output=True, check=True).stdout
    files = (path for path in project.root.rglob("*") if path.is_file() and ".git" not in path.parts)
    names = [str(path) for path in files if PASSWORD.encode() in path.read_bytes()]
    return [*names, "git"] if PASSWORD.encode() in objects else names


@pytest.mark.parametrize(
    "command",
    [
        ("dvc", "exp", "run", "--queue", "-S", f"tracking.uri={WITH_PASSWORD}"),
        ("python", "-m", "pipeline.train", "-m", f"tracking.uri={WITH_PASSWORD},http://127.0.0.1:9"),
    ],
)
def test_a_refused_password_is_written_nowhere(command: tuple[str, ...], project: Project) -> None:
    ended = project.run(*command, check=False)
    (line,) = (line for line in ended.stderr.splitlines() if line)
    assert ended.returncode and line.lower().startswith("error: tracking.uri: holds a password")
    assert PASSWORD not in ended.stdout + ended.stderr
    assert written_secrets(project) == []
    assert not (project.root / "trials").exists()
    assert project.run("git", "status", "--porcelain").stdout == ""


def test_a_changed_file_that_dvc_has_put_into_git_can_be_removed_from_there(project: Project) -> None:
    changed = project.root / "conf" / "tracking" / "local.yaml"
    changed.write_text(f"uri: {WITH_PASSWORD}\n")
    try:
        refused = project.run("dvc", "exp", "run", "--queue", check=False).stderr
    finally:
        project.run("git", "checkout", "--", "conf")
    assert "conf/tracking/local.yaml, line 1: holds a password" in refused
    assert "then run `git gc --prune=now`" in refused
    assert written_secrets(project) == ["git"]
    project.run("git", "gc", "--quiet", "--prune=now")
    assert written_secrets(project) == []


def test_what_dvc_wrote_before_it_is_refused_is_taken_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret may come from an environment variable that a file of conf/ names."""
    values = composed()
    values["tracking"]["uri"] = WITH_PASSWORD
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.setattr(compose, "PARAMS", tmp_path / "params.yaml")
    monkeypatch.setenv("DVC_EXP_NAME", "wild-goose")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(PipelineError, match=f"{INSTEAD}.*`dvc queue remove wild-goose && git gc --prune=now`, bec"):
        compose.main()
    kept = (tmp_path / "params.yaml").read_text()
    assert PASSWORD not in kept
    assert yaml.safe_load(kept) == {**values, "tracking": {**values["tracking"], "uri": "***"}}


def test_no_message_of_the_schema_shows_a_secret() -> None:
    values = composed()
    values["model"]["hidden_dim"] = WITH_PASSWORD
    with pytest.raises(PipelineError, match=r"^model.hidden_dim: holds a password, token or key, .*; remove it$"):
        validate(values)


def test_the_link_that_an_editor_uses_as_a_lock_is_no_file_of_conf(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / ".#config.yaml").symlink_to("ann@host.123:456")
    search_path = ConfigSearchPathImpl()
    search_path.append("main", f"file://{conf}")
    NoSecrets().manipulate_search_path(search_path)
