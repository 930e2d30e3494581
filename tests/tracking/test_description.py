"""Descriptions of experiments and runs."""

import pytest

from pipeline.tracking.description import NOTE_TAG, run_description, with_result
from pipeline.tracking.store import Store, connect
from tests.conftest import configuration
from tests.tracking.conftest import tracking


def test_an_experiment_is_described_once(store: Store) -> None:
    assert "tags.stage" in store.client.get_experiment(store.experiment_id).tags[NOTE_TAG]
    store.client.set_experiment_tag(store.experiment_id, NOTE_TAG, "Our own words.")
    again = connect(tracking(store.uri))
    assert store.client.get_experiment(again.experiment_id).tags[NOTE_TAG] == "Our own words."


@pytest.mark.parametrize(
    ("more", "made_by"),
    [
        ({}, "`dvc repro`"),
        ({"command": "python -m pipeline.train model=gru"}, "`python -m pipeline.train model=gru`"),
        ({"dvc.experiment": "wide"}, "`dvc exp run`, as `wide`"),
    ],
)
def test_a_run_says_what_it_trains_and_how_it_is_made_again(more: dict[str, str], made_by: str) -> None:
    made_from = {"git.commit": "abc", "git.dirty": "true", "data.md5": "123", "model": "gru"}
    tags = {"stage": "train", **made_from, **more}
    description = run_description(
        configuration().corpus, tags, {"test": 2000, "train": 18000}, {"ignored_labels": 1200}
    )
    for words in ("`gru` on **movie_reviews**", "commit `abc`, with changes that were not committed", "md5 `123`"):
        assert words in description
    assert "18,000 train, 2,000 test" in description
    assert "rows left out: 1,200 ignored labels" in description
    assert f"made by: {made_by}" in description


def test_a_description_begins_with_the_last_result() -> None:
    made = "### How it was made\n\nBy hand."
    trained = with_result(made, "0.9 on validation")
    assert trained == f"### Result\n\n0.9 on validation\n\n{made}"
    assert with_result(trained, "0.8 on test") == f"### Result\n\n0.8 on test\n\n{made}"
    assert with_result(f"Mine.\n\n{trained}", "0.8") == f"Mine.\n\n### Result\n\n0.8\n\n{made}"
