"""Pseudo-labels."""

import numpy as np
import pytest

from pipeline.config.labels import LABELS
from pipeline.runtime.errors import PipelineError
from pipeline.text.dataset import CorpusRecord, DatasetRecord, read_split
from pipeline.training.data_module import ReviewDataModule, ReviewSelection
from pipeline.training.pseudo_labels import load_pseudo_labels, save_pseudo_labels
from tests.support.training import TINY, train, weights

TEACHER = (*TINY, "pseudo_labels=teacher", "pseudo_labels.confidence=0.75")


def dataset_record(digest="digest", **splits):
    corpus = CorpusRecord.model_construct(classes=LABELS)
    return DatasetRecord.model_construct(digest=digest, splits=splits, corpus=corpus)


def of_both_classes(positive):
    return np.stack([1 - positive, positive], axis=1)


def test_a_student_trains_on_the_reviews_its_teacher_is_sure_of(compose, dataset, tmp_path):
    config = compose(*TEACHER)
    probabilities = np.full(50, 0.5, np.float32)
    probabilities[[3, 5, 7, 9]] = 0.9, 0.7, 0.1, 0.75
    save_pseudo_labels(tmp_path / "labels", config, "digest", of_both_classes(probabilities), {})
    pseudo_labels = load_pseudo_labels(tmp_path / "labels", config, dataset_record(unlabelled=50))

    selection = ReviewSelection(pseudo_labels=pseudo_labels)
    data = ReviewDataModule(dataset, batch_size=16, fixed_length=None, seed=1, selection=selection)
    unlabelled = read_split(dataset, "unlabelled")
    assert data.train.labels[220:].tolist() == [1, 0, 1]
    for index, row in zip(range(220, len(data.train)), [3, 7, 9], strict=True):
        np.testing.assert_array_equal(data.train[index], unlabelled[row])
    assert sum(batch.size for batch in data.train_dataloader()) == 223

    first, second, alone = (
        train(config, dataset, tmp_path / name, pseudo_labels=labels)
        for name, labels in (("a", pseudo_labels), ("b", pseudo_labels), ("c", None))
    )
    np.testing.assert_equal(weights(first), weights(second))
    assert not np.array_equal(weights(first)["deep.fc.weight"], weights(alone)["deep.fc.weight"])
    assert not np.array_equal(weights(first)["wide.ratio"], weights(alone)["wide.ratio"])


def test_pseudo_labels_are_refused_for_another_configuration_or_dataset(compose, tmp_path):
    folder, config = tmp_path / "labels", compose(*TEACHER)
    with pytest.raises(PipelineError, match="dvc repro pseudo_label"):
        load_pseudo_labels(folder, config, dataset_record(unlabelled=2))
    save_pseudo_labels(folder, config, "digest", of_both_classes(np.array([0.9, 0.6], np.float32)), {})
    for change, message in (
        ("model.hidden_dim=16", "model.hidden_dim: 16 is asked for, but .* was made with 8"),
        ("pseudo_labels.teacher.epochs=7", "pseudo_labels.teacher.epochs: 7 is asked for"),
    ):
        with pytest.raises(PipelineError, match=message):
            load_pseudo_labels(folder, compose(*TEACHER, change), dataset_record(unlabelled=2))
    with pytest.raises(PipelineError, match="another dataset"):
        load_pseudo_labels(folder, config, dataset_record("other", unlabelled=2))
    less_confident = compose(*TEACHER, "pseudo_labels.confidence=0.55", "training.epochs=7")
    assert load_pseudo_labels(folder, less_confident, dataset_record(unlabelled=2)).rows.tolist() == [0, 1]
    assert load_pseudo_labels(folder, compose(), dataset_record(unlabelled=2)) is None
    whole = (folder / "probabilities.npy").read_bytes()
    (folder / "probabilities.npy").write_bytes(whole[:-2])
    with pytest.raises(PipelineError, match="damaged"):
        load_pseudo_labels(folder, config, dataset_record(unlabelled=2))
