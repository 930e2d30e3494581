"""Experiments of DVC's queue, which trains them in copies of the project."""

from tests.test_pipeline import copy, store, training_runs

__all__ = ["copy"]  # a fixture


def test_queued_experiments_train_in_copies_and_log_to_the_one_store(copy):
    copy.run("dvc", "exp", "run", "--queue", "-S", "model.hidden_dim=4,6")
    copy.run("dvc", "exp", "run", "--run-all")
    runs = training_runs(copy)
    assert len(runs) == 3
    assert {run.data.params["model.hidden_dim"] for run in runs} == {"16", "4", "6"}
    assert all(run.info.status == "FINISHED" for run in runs)
    client = store(copy)
    champion = client.get_model_version_by_alias("sentiment", "champion")
    assert champion.run_id == next(run.info.run_id for run in runs if run.data.params["model.hidden_dim"] == "16")
    assert client.get_model_version_by_alias("sentiment", "challenger").version != champion.version
