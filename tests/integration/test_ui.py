"""The MLflow UI as a newcomer sees it: real runs, a real server, Debian's Chromium."""

from collections.abc import Iterator

import pytest
from mlflow import MlflowClient

from pipeline.tracking.store import connect
from pipeline.ui import page_of_runs
from tests.conftest import Project
from tests.integration.browser import browser, expect, playwright
from tests.support.servers import MLflowServer
from tests.tracking.conftest import tracking

__all__ = ["browser"]  # a fixture

WAIT_MS = 60_000


@pytest.fixture(scope="module")
def project(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A trained project and a sweep of two trials."""
    root = tmp_path_factory.mktemp("swept") / "project"
    project = trained.copy_to(root)
    project.run("python", "-m", "pipeline.train", "-m", "training=smoke", "model.hidden_dim=8,12")
    return project


@pytest.fixture(scope="module")
def ui(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server on the project's store."""
    with MLflowServer(tmp_path_factory.mktemp("ui"), f"sqlite:///{project.root}/mlflow.db") as server:
        yield server.uri


@pytest.fixture
def page(browser: "playwright.Browser") -> Iterator["playwright.Page"]:
    opened = browser.new_page(viewport={"width": 1400, "height": 1000})
    opened.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    yield opened
    opened.close()


def runs(project: Project) -> dict[str, str]:
    """Name and id of each run of the project's experiment."""
    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    experiment = client.get_experiment_by_name("sentiment")
    return {run.info.run_name: run.info.run_id for run in client.search_runs([experiment.experiment_id])}


def test_the_overview_shows_the_runs_with_their_columns(project: Project, ui: str, page: "playwright.Page") -> None:
    store = connect(tracking(f"sqlite:///{project.root}/mlflow.db", "sentiment"))
    page.goto(page_of_runs(store, ui))
    for name in runs(project).keys() - {"#0 hidden_dim=8", "#1 hidden_dim=12"}:  # folded below their sweep
        expect(page.get_by_role("link", name=name).first).to_be_visible()
    for column in ("test/accuracy", "baseline/accuracy", "val/accuracy", "corpus", "Duration"):
        expect(page.get_by_text(column, exact=True).first).to_be_visible()


def test_a_run_says_what_it_is_and_how_good(project: Project, ui: str, page: "playwright.Page") -> None:
    name = next(name for name in runs(project) if name.startswith("lstm-16"))
    page.goto(f"{ui}/#/experiments/1/runs/{runs(project)[name]}")
    expect(page.get_by_text("NB-weighted logistic regression").first).to_be_visible()
    expect(page.get_by_text("pipeline.train").first).to_be_visible()
    for words in ("202 train, 28 validation, 58 test", "dvc repro", "md5"):
        expect(page.get_by_text(words).first).to_be_visible()


def test_two_trials_compared_show_what_differs(project: Project, ui: str, page: "playwright.Page") -> None:
    both = (runs(project)[name] for name in ("#0 hidden_dim=8", "#1 hidden_dim=12"))
    ids = ",".join(f'"{run_id}"' for run_id in both)
    page.goto(f'{ui}/#/compare-runs?runs=[{ids}]&experiments=["1"]')
    expect(page.get_by_text("model.hidden_dim").first).to_be_visible()
    for size in ("8", "12"):
        expect(page.get_by_role("cell", name=size, exact=True).first).to_be_visible()


def test_a_sweep_says_which_trial_was_best_and_shows_its_picture(
    project: Project, ui: str, page: "playwright.Page"
) -> None:
    sweep = runs(project)["hidden_dim"]
    page.goto(f"{ui}/#/experiments/1/runs/{sweep}")
    expect(page.get_by_text("2 trials, 0 failed").first).to_be_visible()
    expect(page.get_by_text("Best: #").first).to_be_visible()
    page.goto(f"{ui}/#/experiments/1/runs/{sweep}/artifacts/sweep/sweep.png")
    picture = page.locator("img[alt*='sweep.png'], .image-outer-container img, canvas").first
    expect(picture).to_be_visible()


def test_the_champion_leads_to_its_run(project: Project, ui: str, page: "playwright.Page") -> None:
    page.goto(f"{ui}/#/models/sentiment")
    expect(page.get_by_text("champion").first).to_be_visible()
    page.goto(f"{ui}/#/models/sentiment/versions/1")
    expect(page.get_by_text("NB-weighted logistic regression").first).to_be_visible()
    name = next(name for name in runs(project) if name.startswith("lstm-16"))
    page.get_by_role("link", name=name).first.click()
    expect(page.get_by_role("heading", name=name).first).to_be_visible()
    assert runs(project)[name] in page.url
