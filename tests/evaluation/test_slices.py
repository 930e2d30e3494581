from pathlib import Path

import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure
from mlflow.utils.validation import _validate_metric_name

from pipeline.evaluation.predictions import ScoredSplit
from pipeline.evaluation.slices import (
    accuracies,
    column_slices,
    length_classes,
    rows_of_slice,
    slice_table,
    worst_slice,
)
from pipeline.evaluation.summary import collect_metrics
from pipeline.report.figure_slices import draw_slices
from pipeline.report.terminal import format_report
from pipeline.text.dataset import read_split
from tests.conftest import configuration
from tests.support.scored import simulated, two_classes, write_dataset

OWN = [
    "corpus=files",
    "corpus.path=reviews.csv",
    "corpus.keep_columns=[shop]",
    "evaluation.slices=[unknown_words,shop]",
]
EVALUATION = configuration(*OWN, "evaluation.length_edges=[4]").evaluation


def by_shop(shops: list[str], right: list[bool]) -> ScoredSplit:
    """Return reviews of 3 words from these shops, with right and wrong answers as given."""
    labels = np.array([row % 2 for row in range(len(shops))], np.int8)
    rows = pa.table({"id": shops, "label": labels, "shop": shops})
    return two_classes(rows, labels, np.full(len(shops), 3), np.where(right, labels, 1 - labels))


def names(column: list[object]) -> dict[str, int]:
    return {name: int(members.sum()) for name, members in column_slices(pa.chunked_array([pa.array(column)]))}


def test_accuracy_of_each_part_and_the_worst_of_those_large_enough() -> None:
    shops = ["north"] * 60 + ["south"] * 60 + ["kiosk"] * 3
    test = by_shop(shops, [True] * 54 + [False] * 6 + [True] * 45 + [False] * 15 + [False] * 3)
    table = slice_table(test, np.zeros(len(shops)), EVALUATION)
    shop = rows_of_slice(table, "shop")
    assert dict(zip(shop["value"], shop["accuracy"], strict=True)) == {"north": 0.9, "south": 0.75, "kiosk": 0}
    assert shop["low"][1] < 0.75 < shop["high"][1]
    worst = worst_slice(table)
    assert worst is not None
    assert (worst["slice"], worst["value"], worst["reviews"]) == ("shop", "south", 60)  # three reviews say little
    metrics = collect_metrics(test, test, None, table, EVALUATION)
    assert metrics["worst_slice"] == {"part": "shop: south", "accuracy": 0.75, "reviews": 60}
    assert metrics["slices"]["shop"] == {"north": 0.9, "south": 0.75, "kiosk": 0}
    report = format_report(metrics, table, {"passed": True, "checks": []}, {})
    assert "worst slice: shop: south: accuracy 0.7500, 60 reviews" in report


def test_no_part_of_a_small_test_split_is_called_the_worst() -> None:
    table = slice_table(by_shop(["north"] * 20, [True] * 20), np.zeros(20), EVALUATION)
    assert worst_slice(table) is None
    assert "worst_slice" not in collect_metrics(simulated(20), simulated(20), None, table, EVALUATION)


def test_a_part_that_is_all_reviews_is_not_called_the_worst() -> None:
    table = slice_table(by_shop(["north"] * 60, [True] * 60), np.zeros(60), EVALUATION)
    assert set(table["reviews"]) == {60}
    assert worst_slice(table) is None


def test_length_classes_include_their_upper_edge_and_leave_out_empty_ones() -> None:
    classes = {name: members.tolist() for name, members in length_classes([3, 50, 51, 900], [50, 100, 200])}
    assert classes == {
        "up to 50 words": [True, True, False, False],
        "51 to 100 words": [False, False, True, False],
        "over 200 words": [False, False, False, True],
    }


def test_few_values_are_parts_many_numbers_quartiles_many_texts_the_most_frequent() -> None:
    assert names([1, 2, 2, None]) == {"2": 2, "1": 1, "missing": 1}
    assert names([f"{year}" for year in range(1990, 2010)]) == {
        "up to 1995": 6,
        "1995 to 2000": 5,
        "2000 to 2004": 4,
        "over 2004": 5,
    }
    towns = [f"town {number}" for number in range(20)] + ["town 0", ""]
    parts = names(towns)
    assert len(parts) == 11
    assert (parts["town 0"], parts["other"], parts["missing"]) == (2, 11, 1)


def test_nan_is_a_missing_value_among_few_numbers_and_many() -> None:
    assert names([1.5, 1.5, float("nan"), None]) == {"1.5": 2, "missing": 2}
    many = names([*(number / 2 for number in range(20)), float("nan"), float("nan")])
    assert (many["missing"], sum(many.values()), "other" in many) == (2, 22, False)


def test_every_review_is_in_one_part() -> None:
    random = np.random.default_rng(0)
    for column in (
        random.integers(0, 5, 99),
        random.normal(size=99),
        random.permutation([None, *"abcdefghijklmnop"] * 6),
    ):
        parts = [members for _, members in column_slices(pa.chunked_array([pa.array(list(column))]))]
        assert (np.sum(parts, axis=0) == 1).all()


def test_metric_names_are_those_mlflow_takes_and_none_is_lost() -> None:
    shops = ["C+", "C#", "..", "a/b", "Zoë's"] * 2
    by_shop_accuracy = accuracies(slice_table(by_shop(shops, [True] * 10), np.zeros(10), EVALUATION))["shop"]
    assert len(by_shop_accuracy) == 5
    for name in by_shop_accuracy:
        _validate_metric_name(f"slices/shop/{name}")


def test_unknown_words_are_counted_in_the_encoded_reviews(tmp_path: Path) -> None:
    write_dataset(tmp_path, copies=1)
    ids = np.array([1, 2] * 4 + [1, 1] * 4, np.int32)
    np.save(tmp_path / "test" / "ids.npy", ids)
    assert read_split(tmp_path, "test").unknown_share.tolist() == [0.5] * 4 + [1] * 4


def test_shares_of_unknown_words_are_divided_at_the_same_bounds_for_every_corpus() -> None:
    shares = {
        0.0: "none",
        0.01: "up to 1 percent",
        0.015: "1 to 2 percent",
        0.1: "5 to 10 percent",
        1.0: "over 20 percent",
    }
    table = slice_table(by_shop(["north"] * 5, [True] * 5), np.array(list(shares)), EVALUATION)
    unknown = rows_of_slice(table, "unknown_words")
    assert dict(zip(unknown["value"], unknown["reviews"], strict=True)) == dict.fromkeys(shares.values(), 1)


def test_values_of_the_users_are_drawn_as_they_are(tmp_path: Path) -> None:
    figure = Figure()
    draw_slices(figure.subplots(), slice_table(by_shop(["$_$", "5$"] * 3, [True] * 6), np.zeros(6), EVALUATION), 1.0)
    figure.savefig(tmp_path / "slices.png")  # matplotlib would take what stands between two "$" for a formula


def test_quartiles_of_large_numbers_close_to_each_other_are_told_apart() -> None:
    dates = [20240100 + day for day in range(1, 29)] * 2
    assert names(dates) == {
        "up to 20240108": 16,
        "20240108 to 20240114": 12,
        "20240114 to 20240121": 14,
        "over 20240121": 14,
    }
    assert list(names(range(100_000, 100_200)).values()) == [51, 50, 50, 49]


def test_infinite_numbers_are_in_the_outer_parts() -> None:
    numbers = [*map(str, range(1, 13)), "inf", "inf", "inf", "inf", "inf", "-Infinity", "nan"]
    assert names(numbers) == {"up to 3.75": 4, "3.75 to 6.5": 3, "6.5 to 9.25": 3, "over 9.25": 8, "other": 1}
    nothing_finite = ["inf" if number % 2 else f"1e{400 + number}" for number in range(24)]
    assert sum(names(nothing_finite).values()) == 24


def test_values_named_as_the_rest_are_parts_of_their_own() -> None:
    assert names(["missing", "missing", "other", None]) == {"missing": 2, "other": 1, "(missing)": 1}
