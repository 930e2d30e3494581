"""The report in a real browser: from the file without a network, and in the MLflow UI."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.conftest import Project
from tests.integration.browser import browser, expect, playwright
from tests.support.servers import MLflowServer

__all__ = ["browser"]  # a fixture

WAIT_MS = 60_000
EVIL = "<script>document.title = 'taken over'</script><img src='https://example.org/x.png' onerror='alert(1)'>"


REWRITE = f"""
import pyarrow as pa, pyarrow.parquet as pq
path = "artifacts/dataset/test/rows.parquet"
rows = pq.read_table(path).to_pydict()
rows["text"] = [{EVIL!r} + text for text in rows["text"]]
rows["label"] = pa.array([1 - label for label in rows["label"]], pa.int8())
pq.write_table(pa.table(rows), path)
"""


@pytest.fixture(scope="module")
def project(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the trained project whose test reviews are now full of markup, and their labels wrong."""
    root = tmp_path_factory.mktemp("report") / "project"
    project = trained.copy_to(root)
    project.run("python", "-c", REWRITE)
    project.run("python", "-m", "pipeline.evaluate")
    return project


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_the_report_opens_offline_and_a_review_takes_nothing_over(
    project: Project, browser: "playwright.Browser", scheme: str, width: int
) -> None:
    context = browser.new_context(
        offline=True, color_scheme=scheme, reduced_motion="reduce", viewport={"width": width, "height": 900}
    )
    page = context.new_page()
    messages: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("dialog", lambda dialog: messages.append(dialog.message))
    page.on("request", lambda request: requests.append(request.url))
    report = project.root / "reports" / "report.html"
    page.goto(report.as_uri())
    expect(page.get_by_text("document.title = 'taken over'").first).to_be_visible()
    assert page.title().startswith("Evaluation of lstm on files")
    assert [url for url in requests if not url.startswith("data:")] == [report.as_uri()]
    assert messages == []
    line = page.locator("#ranking svg").first.locator("path[style*='#0072b2']").first
    expect(line).to_have_css("stroke", {"light": "rgb(0, 114, 178)", "dark": "rgb(90, 169, 230)"}[scheme])
    assert page.evaluate("document.documentElement.scrollWidth") == width  # tables scroll, the page does not
    for link in page.get_by_role("navigation").get_by_role("link").all():
        link.click()
        target = page.evaluate("location.hash.slice(1)")
        expect(page.locator(f"section[id='{target}'] h2")).to_be_in_viewport()
    context.close()


def test_mlflow_shows_the_report(project: Project, browser: "playwright.Browser", tmp_path: Path) -> None:
    uri = f"sqlite:///{project.root}/mlflow.db"
    client = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("sentiment").experiment_id], "tags.stage = 'train'")
    with MLflowServer(tmp_path, uri) as server:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(f"{server.uri}/#/experiments/1/runs/{run.info.run_id}/artifacts/reports/report.html")
        frame = page.frame_locator("iframe[srcdoc], iframe[src^='blob:'], iframe[title*='html']").first
        expect(frame.get_by_role("heading", name="Metrics", exact=True)).to_be_visible(timeout=WAIT_MS)
        expect(frame.get_by_role("cell", name="accuracy", exact=True).first).to_be_visible()
        styled = "figure => figure.clientWidth > 0 && getComputedStyle(document.body).margin === '0px'"
        assert frame.locator("figure svg").first.evaluate(styled)
        page.close()
