from itertools import product

import numpy as np
import pytest

from pipeline.config.labels import LABELS
from pipeline.evaluation.baseline import HASHED_AT_ONCE, INVERSE_REGULARISATION, fit_baseline, sampled_rows
from pipeline.runtime.errors import PipelineError
from tests.support.scored import NEGATIVE, POSITIVE, labelled_texts


def test_baseline_learns_and_answers_the_same_every_time() -> None:
    texts, labels = (POSITIVE + NEGATIVE) * 3, [1, 1, 1, 1, 0, 0, 0, 0] * 3
    new = ["what a lovely wonderful day", "tedious and clumsy"]
    answers = [fit_baseline(texts, labels, texts, labels, LABELS).probabilities(new)[:, 1] for _ in range(2)]
    assert answers[0][0] > 0.5 > answers[0][1]
    assert answers[0].tobytes() == answers[1].tobytes()


def test_baseline_counts_a_weighted_review_as_often_as_if_it_were_repeated() -> None:
    texts, labels, copies = (
        POSITIVE + NEGATIVE,
        np.array([1] * 4 + [0] * 4),
        np.array([1, 5, 1, 2, 1, 1, 3, 1], np.int32),
    )
    weighted = fit_baseline(texts, labels, texts, labels, LABELS, weights=copies)
    rows = np.repeat(np.arange(8), copies)
    repeated = fit_baseline([texts[row] for row in rows], labels[rows], texts, labels, LABELS)
    np.testing.assert_array_equal(weighted.ratios, repeated.ratios)
    np.testing.assert_allclose(weighted.probabilities(texts), repeated.probabilities(texts), atol=0.01)
    assert not np.array_equal(weighted.ratios, fit_baseline(texts, labels, texts, labels, LABELS).ratios)


def test_baseline_chooses_its_regularisation_on_validation() -> None:
    texts, labels = (POSITIVE + NEGATIVE) * 3, [1, 1, 1, 1, 0, 0, 0, 0] * 3
    fitted = fit_baseline(texts, labels, texts, labels, LABELS)
    assert fitted.inverse_regularisation in INVERSE_REGULARISATION
    turned = fit_baseline(texts, labels, texts, labels[::-1], LABELS)  # validation says that words mean nothing
    assert np.ptp(turned.probabilities(texts)[:, 1]) < 0.1 < np.ptp(fitted.probabilities(texts)[:, 1])


def test_baseline_knows_what_only_the_order_of_words_tells() -> None:
    texts, labels = ["not bad but good", "not good but bad"] * 8, [1, 0] * 8
    answers = fit_baseline(texts, labels, texts, labels, LABELS).probabilities(texts[:2])[:, 1]
    assert answers[0] > 0.7
    assert answers[1] < 0.3


def test_baseline_learns_from_texts_without_spaces() -> None:
    things, frames = (
        ("电影", "房间", "早餐", "音乐", "故事", "酒店"),
        ("这个{}真的{}", "昨天觉得{}{}呢", "我说{}是{}的"),
    )
    verdicts = (("很好", 1), ("很差", 0), ("真棒", 1), ("难受", 0))
    rows = [(f.format(thing, word), label) for thing, f, (word, label) in product(things, frames, verdicts)]
    texts, labels = map(list, zip(*rows, strict=True))
    known, new = slice(0, 48), slice(48, None)  # of other things
    fitted = fit_baseline(texts[known], labels[known], texts[known], labels[known], LABELS)
    assert fitted.probabilities(texts[new]).argmax(1).tolist() == labels[new]


def test_baseline_says_what_it_cannot_learn_from() -> None:
    with pytest.raises(PipelineError, match=r"no word in the 2 training reviews.*evaluation\.baseline=false"):
        fit_baseline([" ", ""], [0, 1], ["one"], [0], LABELS)
    with pytest.raises(PipelineError, match="one label"):
        fit_baseline(POSITIVE, [1, 1, 1, 1], POSITIVE, [1, 1, 1, 1], LABELS)


@pytest.mark.parametrize("classes", [("bad", "so-so", "good"), tuple("abcde")])
def test_baseline_tells_apart_several_classes_and_is_calibrated(classes: tuple[str, ...]) -> None:
    texts, labels = (values * 3 for values in labelled_texts(classes))
    answers = [fit_baseline(texts, labels, texts, labels, classes).probabilities(texts) for _ in range(2)]
    assert answers[0].shape == (len(texts), len(classes))
    assert answers[0].argmax(1).tolist() == labels
    assert answers[0].sum(1) == pytest.approx(1)
    assert answers[0].tobytes() == answers[1].tobytes()


def test_baseline_names_the_class_that_it_cannot_learn() -> None:
    texts, labels = labelled_texts(("a", "b", "c"))
    with pytest.raises(PipelineError, match="have none that is d and the baseline needs all classes"):
        fit_baseline(texts, labels, texts, labels, ("a", "b", "c", "d"))


def test_baseline_answers_the_same_however_many_texts_are_hashed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, labels = (POSITIVE + NEGATIVE) * 3, [1, 1, 1, 1, 0, 0, 0, 0] * 3
    assert len(texts) < HASHED_AT_ONCE
    together = fit_baseline(texts, labels, texts, labels, LABELS)
    monkeypatch.setattr("pipeline.evaluation.baseline.HASHED_AT_ONCE", 5)
    apart = fit_baseline(iter(texts), labels, iter(texts), labels, LABELS)
    assert apart.probabilities(iter(texts)).tobytes() == together.probabilities(texts).tobytes()


def test_a_sample_has_all_classes_and_their_shares() -> None:
    labels = np.array([0] * 600 + [1] * 398 + [2] * 2, np.int8)
    lengths = np.full(1000, 10)
    assert sampled_rows(lengths, labels, 10_000).tolist() == list(range(1000))
    rows = sampled_rows(lengths, labels, 1000)
    assert len(rows) == 100
    assert (np.diff(rows) > 0).all()
    assert np.bincount(labels[rows]).tolist() == [59, 40, 1]
    assert not np.array_equal(rows, np.arange(rows[0], rows[0] + 100)), "drawn at random"
