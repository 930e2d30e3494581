"""Labels of the user's own files: stated, or read where their values leave no doubt; never guessed."""

import itertools
import json
import logging
import re
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config.schema import validate
from pipeline.corpus import label_census
from pipeline.corpus.source import write_corpus
from pipeline.runtime.errors import PipelineError
from tests.conftest import composed


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Root of a project for one test."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def write_reviews(path: Path, labels: list[Any]) -> None:
    rows = [{"text": f"Review {number}.", "label": label} for number, label in enumerate(labels, 1)]
    match path.suffix:
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case ".csv":
            cells = ["" if label is None else str(label).replace('"', '""') for label in labels]
            path.write_text("text,label\n" + "".join(f'Review {n},"{cell}"\n' for n, cell in enumerate(cells, 1)))
        case _:
            pq.write_table(pa.Table.from_pylist(rows), path)


def labels_of(project: Path, labels: list[Any], *overrides: str, ending: str = "jsonl") -> list[int]:
    """Labels of the rows that are used, in order, with these overrides of the configuration."""
    write_reviews(project / f"r.{ending}", labels)
    return labels_read(project, *overrides, path=f"r.{ending}")


def labels_read(project: Path, *overrides: str, **files: str) -> list[int]:
    """Labels of these files, named by key; they are no overrides, so that fewer configurations are to be composed."""
    values = composed("corpus=files", *overrides)
    values["corpus"] |= files
    write_corpus(validate(values).corpus, project / "downloads")
    labels: list[int] = pq.read_table(project / "downloads" / "train.parquet")["label"].to_pylist()
    return labels


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    "labels", [["neg", "pos"], [" Negative", "POSITIVE "], [0, 1], [0.0, 1.0], ["0", "1.0"], [False, True]]
)
def test_values_that_leave_no_doubt_need_no_configuration(labels: list[Any], ending: str, project: Path) -> None:
    assert labels_of(project, labels * 3, ending=ending) == [0, 1] * 3


DOUBTFUL = [
    ([0, 1, 2], "0 (2 rows), 1 (2 rows), 2 (2 rows)"),
    ([-1, 0, 1], "-1 (2 rows), 0 (2 rows), 1 (2 rows)"),
    ([0, 1, 2, 3, 4], "0 (2 rows), 1 (2 rows), 2 (2 rows), 3 (2 rows), 4 (2 rows)"),
    ([1, 2], "1 (2 rows), 2 (2 rows)"),
    ([1, 2, 3, 4, 5, None], "5 (2 rows)"),
    ([1.5, 2.5, 3.5, 4.5], "1.5 (2 rows)"),
    (["no", "yes"], "'no' (2 rows), 'yes' (2 rows)"),
    (["Positive", "Negative", "Neutral"], "'Negative' (2 rows), 'Neutral' (2 rows), 'Positive' (2 rows)"),
    (["neg", "positive"], "'neg' (2 rows), 'positive' (2 rows)"),
    (["neg", "negative", "pos"], "'neg' (2 rows), 'negative' (2 rows), 'pos' (2 rows)"),
    (["won't buy", "would 'buy', again"], '"won\'t buy" (2 rows)'),
    (["null", "true", 'a "b"'], "'null' (2 rows)"),
    (["好", "中", "差"], "'中' (2 rows)"),
    (["0%", "50%", "100%"], "'100%' (2 rows)"),
    (["1 star", "2 stars", "3 stars"], "'1 star' (2 rows)"),
    (["very  good", "very\tbad", "very\ngood", "very good"], "'very good' (6 rows), 'very bad' (2 rows)"),
    ([1, "1_0"], "'1_0' (2 rows)"),
    ([0, 1, "neutral"], "'neutral' (2 rows)"),
]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize(("labels", "shown"), DOUBTFUL, ids=lambda value: str(value)[:30])
def test_values_in_doubt_are_listed_with_overrides_that_work(
    labels: list[Any], shown: str, ending: str, project: Path
) -> None:
    with pytest.raises(
        PipelineError, match=r"^corpus.labels: not set, and .* which are negative and which pos"
    ) as told:
        labels_of(project, labels * 2, ending=ending)
    assert shown in str(told.value)
    assert "\n" not in str(told.value)
    assert not (project / "downloads").exists()
    words = shlex.split(str(told.value).partition("for example with ")[2])
    assert words[::2] == ["-S"] * (len(words) // 2)
    read = labels_of(project, labels * 2, *words[1::2], ending=ending)
    assert {*read} == set(range(words[1].count(":")))  # every class of the example has rows
    left_out = json.loads((project / "downloads" / "corpus.json").read_text())["left_out"]
    assert len(read) + sum(left_out.values()) == 2 * len(labels)


@pytest.mark.parametrize("missing", ["NA", "n/a", "None", "NULL", "-", "?"])
def test_an_example_leaves_out_what_stands_for_a_missing_label(missing: str, project: Path) -> None:
    with pytest.raises(
        PipelineError, match=r"\{negative: \[0\], positive: \[1\]\}' -S 'corpus.ignore_labels=\["
    ) as told:
        labels_of(project, [0, 1, missing])
    overrides = shlex.split(str(told.value).partition("for example with ")[2])[1::2]
    assert labels_of(project, [0, 1, missing], *overrides) == [0, 1]


def test_a_label_is_the_same_in_any_unicode_form(project: Path) -> None:
    labels = ["scho\u0308n", "\uff33chlecht"]
    assert labels_of(project, labels, 'corpus.labels={good: ["schön"], bad: [schlecht]}') == [0, 1]


STATED = "corpus.labels={negative: [0], positive: [2]}"


def test_a_value_that_no_class_names_stops_the_run_unless_it_is_ignored(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = [0, 1, 2, None] * 2
    with pytest.raises(PipelineError, match=r"no class names a missing label \(2 rows\), 1") as told:
        labels_of(project, labels, STATED, "corpus.ignore_labels=[7]")
    (advised,) = re.findall("-S '(.*)'", str(told.value))
    with caplog.at_level(logging.INFO):
        assert labels_of(project, labels, STATED, advised) == [0, 1] * 2
    assert json.loads((project / "downloads" / "corpus.json").read_text())["left_out"] == {
        "ignored_labels": 2,
        "no_label": 2,
    }
    assert (
        "labels: negative: 0 (2 rows); positive: 2 (2 rows); left out: a missing label (2 rows), 1 (2 rows)"
        in caplog.text
    )
    assert "left out: 2 no_label, 2 ignored_labels" in caplog.text


def test_missing_labels_of_any_kind_stop_the_run(project: Path) -> None:
    for missing, ending in itertools.product([None, "", "  ", float("nan")], ["csv", "jsonl", "parquet"]):
        labels = [0.0, 1.0, missing] if isinstance(missing, float) else ["0", "1", missing]
        with pytest.raises(PipelineError, match=r"names a missing label \(1 row\) .*ignore_labels=\[null\]'$"):
            labels_of(project, labels, ending=ending)
        assert labels_of(project, labels, "corpus.ignore_labels=[null]", ending=ending) == [0, 1]


@pytest.mark.parametrize(
    ("labels", "example"),
    [
        (["schlecht", "gut"], "{gut: [gut], schlecht: [schlecht]}"),
        (["差", "好"], '{class_1: ["好"], class_2: ["差"]}'),
        (["差", "好", "ok"], '{class_1: [ok], class_2: ["好"], class_3: ["差"]}'),
    ],
)
def test_the_example_for_words_does_not_guess_which_is_negative(labels: list[str], example: str, project: Path) -> None:
    with pytest.raises(PipelineError) as stopped:
        labels_of(project, labels)
    assert str(stopped.value).endswith(f"for example with -S 'corpus.labels={example}'")
    read = labels_of(project, labels, f"corpus.labels={example}")
    assert sorted(read) == [*range(len(labels))]


def test_0_and_1_beside_an_ignored_number_stay_in_doubt_but_names_do_not(project: Path) -> None:
    with pytest.raises(PipelineError, match="not set"):
        labels_of(project, [0, 1, 2], "corpus.ignore_labels=[2]")
    assert labels_of(project, ["neg", "pos", "neutral"], "corpus.ignore_labels=[Neutral]") == [0, 1]


def test_the_values_of_all_files_decide_together(project: Path) -> None:
    for split, labels in {"train": [0, 1], "test": [0, 1, 2]}.items():
        write_reviews(project / f"{split}.csv", labels)
    with pytest.raises(PipelineError, match=r"train.csv, .*test.csv .* 0 \(2 rows\), 1 \(2 rows\), 2 \(1 row\)"):
        labels_read(project, train="train.csv", test="test.csv")
    write_reviews(project / "test.csv", [1])
    with pytest.raises(PipelineError, match=r"labels.negative: no row of .*test.csv .* 'label' holds 1 \(1 row\)$"):
        labels_read(project, train="train.csv", test="test.csv")


def test_a_split_of_several_files_needs_both_classes_and_no_single_file_does(project: Path) -> None:
    for folder, labels in {"train": [0, 1], "test": [1, 1]}.items():
        (project / folder).mkdir()
        for number, label in enumerate(labels):
            write_reviews(project / folder / f"{number}.csv", [label])
    assert labels_read(project, path="train") == [0, 1]
    with pytest.raises(
        PipelineError, match=r"negative: no row of .*test/0.csv, .*test/1.csv has .* holds 1 \(2 rows\)$"
    ):
        labels_read(project, train="train", test="test")


def test_of_many_files_a_message_names_the_first(project: Path) -> None:
    for number in range(5):
        write_reviews(project / f"{number}.csv", [number])
    with pytest.raises(PipelineError, match=r"of .*0.csv, .*1.csv, \S*2.csv and 2 more do not say which"):
        labels_read(project, path="*.csv")


def test_the_census_reads_as_the_format_says(project: Path) -> None:
    (project / "r.tsv").write_bytes('"gut" sagt er\tnegativ\nschön\tpositiv\n'.encode("cp1252"))
    read = labels_read(
        project,
        "corpus.format={quoting: none, encoding: cp1252, columns: [text, label]}",
        "corpus.labels={negative: [negativ], positive: [positiv]}",
        path="r.tsv",
    )
    assert read == [0, 1]


def test_labels_may_be_views_of_strings(project: Path) -> None:
    columns = {"text": ["a", "b"], "label": pa.array(["neg", "pos"], pa.string_view())}
    pq.write_table(pa.table(columns), project / "r.parquet")
    assert labels_read(project, path="r.parquet") == [0, 1]


def test_a_rare_value_at_the_end_of_a_long_file_is_seen(project: Path) -> None:
    with pytest.raises(PipelineError, match=r"0 \(2,500 rows\), 1 \(2,500 rows\), 2 \(1 row\)"):
        labels_of(project, [*[0, 1] * 2500, 2], ending="csv")


def test_a_few_thousand_values_are_fine_where_comparisons_name_them(project: Path) -> None:
    scores = [number / 1000 for number in range(3000)]
    labels = "corpus.labels={negative: '<1', positive: '>=2'}"
    assert labels_of(project, scores, labels, "corpus.ignore_labels='>=1 <2'") == [0] * 1000 + [1] * 1000
    with pytest.raises(PipelineError, match=r"names 1\.0 .* and 990 more"):
        labels_of(project, scores, labels)


def test_the_rows_of_values_that_are_not_kept_are_counted_by_class(
    project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(label_census, "MAX_VALUES", 5)
    stated = "corpus.labels={low: '<7', high: '>=7'}"
    with caplog.at_level(logging.INFO):
        labels_of(project, [*range(20), 0, 19], stated, "corpus.ignore_labels=[null]")
    shown = "low: 0 (2 rows), 1 (1 row), 2 (1 row), 3 (1 row), 4 (1 row), 2 rows of values after the first 5"
    assert f"labels: {shown}; high: 14 rows of values after the first 5" in caplog.text


def test_no_more_values_are_kept_than_a_column_of_labels_has(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_census, "MAX_VALUES", 50)
    with pytest.raises(PipelineError, match=r"holds more than 50 different values .*; name the column with the labels"):
        labels_of(project, [f"review {number}" for number in range(60)])
    assert labels_of(project, list(range(100)), "corpus.labels={negative: '<70', positive: '>=70'}")[69:71] == [0, 1]


def test_other_labels_make_another_corpus_of_the_same_file() -> None:
    def content(*overrides: str) -> str | None:
        values = composed("corpus=files", *overrides)
        values["corpus"] |= {"path": "r.csv", "fingerprint": "sha256:1"}
        return validate(values).corpus.content

    different = ["", STATED, "corpus.ignore_labels=[1]", "corpus.label_column=stars", "corpus.text_column=title"]
    different += ["corpus.text_column=[title, body]", "corpus.format.encoding=cp1252"]
    assert len({content(*filter(None, [override])) for override in different}) == len(different)
    assert content(STATED) == content("corpus.labels={positive: [2], negative: [0]}")


def test_truth_values_equal_numbers_in_lists_and_compare_with_none(project: Path) -> None:
    labels, stars = [5, 1, "no", "no", "yes"], "corpus.labels={negative: '<=2', positive: '>=4'}"
    with pytest.raises(PipelineError, match=r"no class names 'no' \(2 rows\), 'yes' \(1 row\)"):
        labels_of(project, labels, stars, ending="csv")
    assert labels_of(project, labels, stars, "corpus.ignore_labels=['yes', 'no']", ending="csv") == [1, 0]
    assert labels_of(project, [1, "no", "on"], "corpus.labels={negative: [0], positive: [1]}") == [1, 0, 1]


@pytest.mark.parametrize("labels", [["1,5", "2,5"], ["2020/21", "2021/22"], ["1.1", "1.10"], ["class 1", "1"]])
def test_the_classes_of_an_example_are_called_what_they_are_and_no_number(labels: list[str], project: Path) -> None:
    with pytest.raises(PipelineError) as told:
        labels_of(project, labels)
    override = shlex.split(str(told.value))[-1]
    names = [re.sub(r"\W", "_", label) for label in labels]
    expected = ["class_1", "class_2"] if "class 1" in labels else [f"class_{name}" for name in names]
    assert re.findall(r"(\w+): ", override) == expected
    assert sorted(labels_of(project, labels, override)) == [0, 1]
    assert [*validate(composed("corpus=files", "corpus.path=r.csv", override)).corpus.classes] == expected


@pytest.mark.parametrize("name", [1.1, None, False])
def test_a_name_of_a_class_that_yaml_has_changed_is_refused(name: Any) -> None:
    values = composed("corpus=files", "corpus.path=r.csv")
    values["corpus"]["labels"] = {name: [1], "other": [2]}
    with pytest.raises(PipelineError, match=f"as {name}; put it in quotes in its file"):
        validate(values)


@pytest.mark.parametrize(
    ("name", "hidden"),
    [("not\u00a0sure", "\\xa0"), ("so\u00adso", "\\xad"), ("good\u200d", "\\u200d"), ("a\tb", "\\t")],
)
def test_the_character_of_a_class_name_that_cannot_be_seen_is_named(name: str, hidden: str) -> None:
    values = composed("corpus=files", "corpus.path=r.csv")
    values["corpus"]["labels"] = {name: [1], "other": [2]}
    with pytest.raises(PipelineError, match=re.escape(f" holds '{hidden}', which cannot be seen; leave it out or ")):
        validate(values)


def test_a_class_name_may_have_joiners_as_words_of_indic_scripts_do() -> None:
    values, name = composed("corpus=files", "corpus.path=r.csv"), "क्\u200dष"
    values["corpus"]["labels"] = {name: [1], "other": [2]}
    assert validate(values).corpus.classes == (name, "other")


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_floats_of_few_bits_are_the_numbers_that_they_are_written_as(kind: pa.DataType, project: Path) -> None:
    labels = pa.array([0.4, 0.1, 0.7, None], pa.float64()).cast(kind)
    pq.write_table(pa.table({"text": ["a", "b", "c", "d"], "label": labels}), project / "r.parquet")
    for stated in ("{negative: '<=0.4', positive: '>=0.7'}", "{negative: [0.1, 0.4], positive: [0.7]}"):
        read = labels_read(project, f"corpus.labels={stated}", "corpus.ignore_labels=[null]", path="r.parquet")
        assert read == [0, 0, 1]


def test_decimal_commas_are_named_where_numbers_are_compared(project: Path) -> None:
    with pytest.raises(
        PipelineError, match=r"'4,5' \(1 row\) in .*; comparisons read a decimal point, no comma: replace"
    ):
        labels_of(project, ["1", "4,5", "5"], "corpus.labels={negative: '<=2', positive: '>=4'}", ending="csv")


def test_in_a_list_texts_are_no_numbers_and_in_a_comparison_they_are(project: Path) -> None:
    labels = ["1.1", "1.10", "12345678901234567", "12345678901234568", "1e2", "100"]
    with pytest.raises(PipelineError, match=r"no class names '1.10' \(1 row\), 100 .*'1e2' \(1 row\) in"):
        labels_of(project, labels, "corpus.labels={a: [1.1], b: [101]}", ending="csv")
    stated = "corpus.labels={a: [1.1, '12345678901234567', '1e2'], b: ['1.10', '12345678901234568', 100.0]}"
    assert labels_of(project, labels, stated, ending="csv") == [0, 1] * 3
    assert labels_of(project, ["1e2", "1.10", "099"], "corpus.labels={a: '<=1.1', b: '>=99'}") == [1, 0, 1]
    decimals = pa.array([Decimal("4.00"), Decimal("1.50")], pa.decimal128(5, 2))
    pq.write_table(pa.table({"text": ["a", "b"], "label": decimals}), project / "r.parquet")
    assert labels_read(project, "corpus.labels={a: [1.5], b: ['4.0']}", path="r.parquet") == [1, 0]
