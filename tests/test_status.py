"""`make status`: nothing to run is success."""

from tests.conftest import Project


def test_it_succeeds_only_while_nothing_would_run(trained: Project, tmp_path):
    project = trained.copy_to(tmp_path / "project")
    shown = project.run("python", "-m", "pipeline.status")
    assert shown.stdout == "up to date: `dvc repro` would run nothing\n"
    config = project.root / "conf" / "experiment" / "tiny.yaml"
    config.write_text(config.read_text().replace("hidden_dim: 16", "hidden_dim: 17"))
    shown = project.run("python", "-m", "pipeline.status", check=False)
    assert shown.returncode == 1
    assert "train: params.yaml model modified\n" in shown.stdout
    assert "download" not in shown.stdout
