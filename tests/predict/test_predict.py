"""`python -m pipeline.predict`: from files of texts to the same files with answers."""

import csv
import gzip
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline.config.file_format import AUTOMATIC
from pipeline.inference.model_folder import save_model
from pipeline.inference.predictor import CHUNK_SIZE
from pipeline.networks.build import build_network
from pipeline.predict import load
from pipeline.predict.__main__ import main
from pipeline.predict.answering import ending_of
from pipeline.registry.model_lookup import describe_model, fetch_model
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.tables.joining import SEPARATOR
from pipeline.tables.stated_format import stated_format
from pipeline.text.vocabulary import SPECIALS, Vocabulary
from pipeline.tracking.store import connect
from tests.conftest import configuration
from tests.support.models import FIVE, SPAM, THREE, WORDS, word_model

TEXTS = ['A "good", warm film', "bad,\nlong\r\nplot", "", "日本語 😀", "the film\ris not bad!"]
PREDICT = [sys.executable, "-m", "pipeline.predict"]


@pytest.fixture(scope="module")
def model(compose, tmp_path_factory):
    """Folder of a small model with confident answers."""
    config = compose("model=bag_of_words", "model.embedding_dim=8")
    torch.manual_seed(0)
    vocabulary = Vocabulary([*SPECIALS, "bad", "film", "good", "long", "not", "plot", "warm"])
    network = build_network(config.model, len(vocabulary))
    network.fc.weight.data *= 100
    folder = tmp_path_factory.mktemp("predict") / "model"
    info = {"temperature": 1.0, "bias": 0.0, "threshold": 0.5, **config.model_dump(include={"text", "model"})}
    save_model(folder, network, vocabulary, info)
    return folder


def predict(model, source, output=None, column=None, threshold=None, prefix=None, probabilities=False):
    main([], source, output, column and [column], str(model), threshold, prefix, probabilities=probabilities)


def fields(text):
    """Split lines of plain output into their fields."""
    return [line.split("\t") for line in text.splitlines()]


def test_a_list_of_texts_gets_a_list_of_answers(model):
    answers = load(model)(TEXTS)
    assert {answer.label for answer in answers} == {"positive", "negative"}
    for answer in answers:
        assert (answer.label == "positive") == (answer.probability >= 0.5)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".CSV.gz", ".tsv.gz"])
def test_rows_of_a_table_keep_their_order_and_values(model, tmp_path, ending):
    delimiter = "\t" if "tsv" in ending else ","
    source, output = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    opened = gzip.open if ending.endswith("gz") else open
    rows = [[f"00{i}", TEXTS[i % 5], "1.50", " a\tb "] for i in range(CHUNK_SIZE + 7)]
    with opened(source, "wt", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=delimiter).writerows([["id", "text", "price", "note"], *rows])
    predict(model, source, output)
    with opened(output, "rt", newline="", encoding="utf-8") as file:
        header, *written_rows = csv.reader(file, delimiter=delimiter)
    assert header == ["id", "text", "price", "note", "label", "probability"]
    assert [row[:4] for row in written_rows] == rows
    expected = load(model)(row[1] for row in rows)
    assert [row[4] for row in written_rows] == [answer.label for answer in expected]
    np.testing.assert_allclose(
        [float(row[5]) for row in written_rows], [answer.probability for answer in expected], atol=1e-6
    )


@pytest.mark.parametrize("ending", [".jsonl", ".json"])
def test_the_first_json_object_may_lack_the_text(model, tmp_path, capsys, ending):
    rows = ['{"id": 1}', "{}", '{"id": 2, "text": "a good film"}', '{"text": null}']
    array = ending == ".json"
    (tmp_path / f"in{ending}").write_text(f"[{', '.join(rows)}]" if array else "\n".join(rows))
    predict(model, tmp_path / f"in{ending}", tmp_path / f"out{ending}")
    written = (tmp_path / f"out{ending}").read_text()
    answers = json.loads(written) if array else [json.loads(line) for line in written.splitlines()]
    assert [answer["label"] for answer in answers] == [
        answer.label for answer in load(model)(["", "", "a good film", ""])
    ]
    assert capsys.readouterr().err.endswith("4 rows, 3 of them without a text\n")


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
def test_json_objects_are_kept_to_the_letter(model, tmp_path, ending):
    source, output = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    lines = ['{"text": "good }", "n": {"a": [1.00, 1e5, 12345678901234567890]}}', '{ "text":null }  ', "{}"]
    lines.append('{"text": "caf\\u00e9"}')
    opened = gzip.open if ending.endswith("gz") else open
    with opened(source, "wt", encoding="utf-8") as file:
        file.write("\n\n".join(lines))
    predict(model, source, output)
    with opened(output, "rt", encoding="utf-8") as file:
        written_rows = file.read().splitlines()
    for line, got, answer in zip(lines, written_rows, load(model)(["good }", "", "", "café"]), strict=True):
        assert got.startswith(line.rstrip()[:-1])
        assert json.loads(got)["label"] == answer.label
        assert json.loads(got)["probability"] == pytest.approx(answer.probability, abs=1e-6)


def test_parquet_keeps_types_and_nothing_is_lost(model, tmp_path):
    rows = CHUNK_SIZE + 3
    columns = {
        "text": pa.array([TEXTS[i % 5] if i % 7 else None for i in range(rows)]).dictionary_encode(),
        "when": pa.array(range(rows), pa.timestamp("us", "UTC")),
        "tags": pa.array([["a", None], []] * (rows // 2) + [None]),
        "n": pa.array(range(rows), pa.uint16()),
    }
    table = pa.table(columns).replace_schema_metadata({"made by": "a test"})
    source, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(table, source)
    predict(model, source, output)
    written_rows = pq.read_table(output)
    assert written_rows.drop_columns(["label", "probability"]).equals(pq.read_table(source), check_metadata=True)
    expected = load(model)(text or "" for text in table["text"].to_pylist())
    assert written_rows["label"].to_pylist() == [answer.label for answer in expected]
    np.testing.assert_allclose(written_rows["probability"], [answer.probability for answer in expected], atol=1e-6)


@pytest.mark.parametrize(("name", "content"), [("a.csv", "id,text\n"), ("a.jsonl", ""), ("a.txt", "")])
def test_a_file_without_rows_gives_one_without_rows(model, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    predict(model, tmp_path / name, tmp_path / f"out_{name}")
    assert len((tmp_path / f"out_{name}").read_text().splitlines()) == len(content.splitlines())


def test_an_empty_parquet_file_keeps_its_columns(model, tmp_path):
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    predict(model, tmp_path / "a.parquet", tmp_path / "b.parquet")
    assert pq.read_table(tmp_path / "b.parquet").column_names == ["text", "label", "probability"]


LABELLED = {"text": ["good film", "bad film"], "label": ["pos", "neg"]}


def write_table(path, columns):
    """Write a CSV, JSONL or Parquet file."""
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(columns))
            writer.writeheader()
            writer.writerows(rows)


def read_table(path):
    """Read a CSV, JSONL or Parquet file as rows."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    lines = path.read_text().splitlines()
    return [json.loads(line) for line in lines] if path.suffix == ".jsonl" else list(csv.DictReader(lines))


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    ("prefix", "own", "added"),
    [
        (None, "label", ["predicted_label", "predicted_probability"]),
        (None, "probability", ["predicted_label", "predicted_probability"]),
        (None, "stars", ["label", "probability"]),
        ('model "2" ', "label", ['model "2" label', 'model "2" probability']),
    ],
)
def test_a_file_keeps_its_own_label_and_the_added_columns_are_named(
    model, tmp_path, caplog, ending, prefix, own, added
):
    caplog.set_level("INFO")
    source, output = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    write_table(source, {"text": LABELLED["text"], own: LABELLED["label"]})
    predict(model, source, output, prefix=prefix)
    written_rows = read_table(output)
    expected = load(model)(LABELLED["text"])
    assert [list(row) for row in written_rows] == [["text", own, *added]] * 2
    assert [row[own] for row in written_rows] == LABELLED["label"]
    assert [row[added[0]] for row in written_rows] == [answer.label for answer in expected]
    said = [message for message in caplog.messages if "of its own; the answers are in" in message]
    assert len(said) == (1 if added[0] == "predicted_label" else 0)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize(("prefix", "own"), [(None, "predicted_probability"), ("my_", "my_label"), ("", "label")])
def test_no_column_of_the_file_is_replaced_by_an_added_one(model, tmp_path, ending, prefix, own):
    source, output = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    write_table(source, {**LABELLED, own: ["x", "y"]})
    with pytest.raises(PipelineError, match=f"already has a column '{own}', the name of one that is added; .*--prefix"):
        predict(model, source, output, prefix=prefix)
    assert not output.exists()


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_the_file_that_a_model_was_trained_on_needs_no_option(model, tmp_path, ending):
    folder = shutil.copytree(model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"corpus": {"text_column": "opinion"}}))
    source, output = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    write_table(source, {"text": ["bad", "bad"], "opinion": LABELLED["text"], "label": LABELLED["label"]})
    predict(folder, source, output)
    assert [row["predicted_label"] for row in read_table(output)] == [
        answer.label for answer in load(model)(LABELLED["text"])
    ]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_model_of_several_text_columns_finds_and_joins_them(model, tmp_path, ending):
    folder = shutil.copytree(model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"corpus": {"text_column": ["title", "body"]}}))
    source, output = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    write_table(source, {"text": ["x", "y"], "body": ["bad", ""], "title": ["A good film", "bad plot"]})
    expected = load(model)([f"A good film {SEPARATOR} bad", f"bad plot {SEPARATOR} "])
    for columns in (None, ["title", "body"]):
        main([], source, output, columns, str(folder), None)
        got = [float(row["probability"]) for row in read_table(output)]
        np.testing.assert_allclose(got, [answer.probability for answer in expected], atol=1e-6)
    write_table(source, {"title": ["x"], "note": ["y"]})
    with pytest.raises(PipelineError, match="has no column 'body' or 'text'; its columns are 'title', 'note'"):
        predict(folder, source, output)


CLASSES = [(THREE, False), (FIVE, True), (SPAM, False)]


@pytest.fixture(scope="module", params=CLASSES, ids=lambda case: f"{len(case[0])}")
def classified(request, compose, tmp_path_factory):
    """A model that knows a word for each class, the classes, and a text of each."""
    classes, ordered = request.param
    folder = word_model(tmp_path_factory.mktemp("classes") / "model", compose, classes, ordered)
    return folder, classes, list(WORDS[: len(classes)])


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_the_probability_of_each_class_is_added_in_a_column_of_its_own(classified, tmp_path, ending):
    folder, classes, texts = classified
    source, output = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    write_table(source, {"text": texts})
    predict(folder, source, output, probabilities=True)
    columns = [f"probability_{name}" for name in classes]
    for row, number, answer in zip(read_table(output), range(len(classes)), load(folder)(texts), strict=True):
        assert list(row) == ["text", "label", "probability", *columns]
        assert row["label"] == classes[number]
        got = [float(row[column]) for column in ("probability", *columns)]
        np.testing.assert_allclose(got, [answer.probability, *answer.probabilities], atol=1e-6)
    predict(folder, source, output)
    assert list(read_table(output)[0]) == ["text", "label", "probability"]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_file_keeps_its_own_column_with_the_probability_of_a_class(classified, tmp_path, ending, caplog):
    caplog.set_level("INFO")
    folder, classes, texts = classified
    source, output = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    own = f"probability_{classes[1]}"
    write_table(source, {"text": texts, own: texts})
    predict(folder, source, output)
    assert list(read_table(output)[0]) == ["text", own, "label", "probability"]
    predict(folder, source, output, probabilities=True)
    added = ["label", "probability", *(f"probability_{name}" for name in classes)]
    assert list(read_table(output)[0]) == ["text", own, *(f"predicted_{name}" for name in added)]
    assert f"has a column {own!r} of its own; the answers are in 'predicted_label', 'predicted_prob" in caplog.text
    with pytest.raises(PipelineError, match=f"already has a column '{own}', the name of one that is added"):
        predict(folder, source, output, probabilities=True, prefix="")


def test_probabilities_in_lines_are_refused(model, tmp_path):
    (tmp_path / "a.txt").write_text("good film\n")
    for texts, source in ((["a film"], None), ([], tmp_path / "a.txt")):
        with pytest.raises(
            PipelineError, match=r"^--probabilities: lines have no columns; leave it out, or give a table"
        ):
            main(texts, source, None, None, str(model), None, probabilities=True)


@pytest.mark.parametrize("classified", CLASSES[:2], indirect=True)
def test_a_threshold_for_more_than_two_classes_is_refused(classified, tmp_path):
    folder, classes, _ = classified
    (tmp_path / "a.txt").write_text("good film\n")
    message = f"--threshold 0.5: the model has {len(classes)} classes, and a threshold is of two; leave it"
    with pytest.raises(PipelineError, match=message):
        predict(folder, tmp_path / "a.txt", tmp_path / "b.txt", threshold=0.5)
    assert not (tmp_path / "b.txt").exists()


def test_names_of_classes_are_quoted_as_the_format_asks(compose, tmp_path):
    classes = ('so, "so"', "très bon", "mauvais")
    folder = word_model(tmp_path / "model", compose, classes)
    for ending in (".csv", ".jsonl"):
        source, output = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
        write_table(source, {"text": WORDS[:3]})
        predict(folder, source, output, probabilities=True)
        assert [row["label"] for row in read_table(output)] == list(classes)
        assert list(read_table(output)[0])[-3:] == [f"probability_{name}" for name in classes]


@pytest.mark.parametrize(
    ("classes", "format_keys", "message"),
    [
        (("fair, or so", "good"), {"quoting": "none"}, "has ',' in its name, which cannot be written without quotes"),
        (
            ("bad", "жаль"),
            {"encoding": "cp1252"},
            "has 'ж' in its name, which cp1252, the encoding of the file, l",
        ),
    ],
)
def test_a_class_that_the_file_cannot_hold_is_said(compose, tmp_path, classes, format_keys, message):
    folder = word_model(tmp_path / "model", compose, classes)
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("text,n\nawful,1\npoor,2\n")
    file_format = AUTOMATIC.model_copy(update=format_keys)
    with pytest.raises(PipelineError, match=message):
        main([], source, output, None, str(folder), None, None, file_format)
    assert not output.exists()


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (SPAM, "ham or spam"),
        (FIVE, "1 star, 2 stars, 3 stars, 4 stars or 5 stars"),
        ([f"topic {number}" for number in range(20)], "one of 20 classes (topic 0, topic 1, topic 2, …)"),
    ],
)
def test_the_line_about_a_model_names_its_classes_or_counts_them(model, classes, said):
    info = load(model).info.model_copy(update={"classes": tuple(classes)})
    assert describe_model("model", info) == f"model, trained on an unknown corpus, answers {said}"


def test_quotes_are_read_as_in_training_unless_another_format_is_stated(model, tmp_path, caplog):
    folder = shutil.copytree(model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    trained = {"delimiter": ";", "quoting": "none", "escape": None, "encoding": "cp1252", "columns": ["n", "text"]}
    (folder / "config.json").write_text(json.dumps(config | {"corpus": {"format": trained}}))
    source, output = tmp_path / "in.tsv", tmp_path / "out.tsv"
    source.write_text('n\ttext\n1\t"schön"\n')
    caplog.set_level("INFO")
    predict(folder, source, output)
    assert output.read_text().splitlines()[1].startswith('1\t"schön"\t')
    assert (
        f"{source} is read with quoting=none, as in training (--format quoting=standard is another way)"
        in caplog.messages
    )
    source.write_text('n\ttext\n1\t"schön"\n', encoding="cp1252")
    main([], source, output, None, str(folder), None, file_format=stated_format(["encoding=cp1252"]))
    assert output.read_text("cp1252").splitlines()[1].startswith('1\t"schön"\t')
    source.write_text('n\ttext\n1\t"schön"\n')
    main([], source, output, None, str(folder), None, file_format=stated_format(["quoting=standard"]))
    assert output.read_text().splitlines()[1].startswith("1\tschön\t")


def test_a_file_without_a_header_has_no_names_to_choose(model, tmp_path, caplog):
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("a good film,pos\n")
    caplog.set_level("INFO")
    headerless = stated_format(["columns=text,label"])
    main([], source, output, None, str(model), None, file_format=headerless)
    assert output.read_text().startswith("a good film,pos,") and len(output.read_text().splitlines()) == 1
    assert f"{source} has no header; the answers are its last columns: label, probability" in caplog.messages
    assert "predicted_label" not in caplog.text
    with pytest.raises(PipelineError, match=r"--prefix my_: .*in\.csv has no header to name columns in; leave it out"):
        main([], source, output, None, str(model), None, "my_", headerless)


def test_plain_lines_go_to_standard_output(model, tmp_path, capfdbinary):
    (tmp_path / "a.txt").write_bytes(b"good film\r\nbad  film\n")
    predict(model, tmp_path / "a.txt")
    written, said = capfdbinary.readouterr()
    assert said.decode().endswith("a.txt: plain lines, UTF-8, 2 rows\n")
    written_rows = fields(written.decode())
    assert [text for *_, text in written_rows] == ["good film", "bad  film"]
    assert [label for label, *_ in written_rows] == [answer.label for answer in load(model)(["good film", "bad film"])]


def test_plain_lines_without_a_text_are_counted(model, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("good film\n\n  \nbad film")
    predict(model, tmp_path / "a.txt", tmp_path / "b.txt")
    assert capsys.readouterr().err.endswith("a.txt: plain lines, UTF-8, 4 rows, 2 of them without a text\n")


def test_the_threshold_can_be_chosen(model, tmp_path):
    (tmp_path / "a.txt").write_text("good film\nbad film\n")
    for threshold, label in ((0.0, "positive"), (1.0, "negative")):
        predict(model, tmp_path / "a.txt", tmp_path / "b.txt", threshold=threshold)
        assert {line[0] for line in fields((tmp_path / "b.txt").read_text())} == {label}


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("none.csv", None, "--input .*none.csv: there is no such file; correct the path"),
        ("folder.csv", None, "--input .*folder.csv is no file; give one that ends in .csv"),
        ("a.csv", "b.jsonl", "use a name that ends in .csv"),
        ("a.csv", "a.csv", "is the input"),
        ("a.csv", "folder.csv", "is a folder; name a file"),
        ("a.csv", "nowhere/b.csv", "nowhere does not exist"),
        ("a.parquet", None, "cannot be written to standard output"),
    ],
)
def test_a_place_that_does_not_do_is_refused_before_any_work(tmp_path, source, output, message):
    (tmp_path / "a.csv").write_text("text\nx\n")
    (tmp_path / "a.parquet").touch()
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(PipelineError, match=message):
        predict(tmp_path / "no model", tmp_path / source, output and tmp_path / output)


def test_dots_in_a_name_are_no_endings():
    assert ending_of(Path("reviews.2024.v1.csv.gz")) == ".csv"
    assert ending_of(Path("a.gz.parquet")) == ".parquet"


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_stopped_command_leaves_no_half_file_that_looks_whole(model, tmp_path, sent):
    output = tmp_path / "answers.txt"
    command = [*PREDICT, "--model", str(model), "--output", str(output)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=WORKSPACE) as process:
        process.stdin.write(b"a good film\n" * 16 * CHUNK_SIZE)  # Python 3.14 holds 128 KiB of answers back
        process.stdin.flush()
        deadline = time.monotonic() + 300
        while not any(path.stat().st_size for path in tmp_path.iterdir()):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(sent)
        process.communicate(timeout=300)
    assert process.returncode == (-sent if sent == signal.SIGKILL else 143)
    left = [path.name for path in tmp_path.iterdir()]
    assert left == [] if sent == signal.SIGTERM else [name[0] for name in left] == ["."]


def test_a_reader_that_has_enough_is_no_error_and_a_pipe_gets_no_progress(model, tmp_path):
    (tmp_path / "a.txt").write_text("a good film\n" * 20_000)
    shell = 'set -o pipefail; "$@" | head -1'
    command = ["bash", "-c", shell, "-", *PREDICT, "--model", str(model), "--input", str(tmp_path / "a.txt")]
    completed = subprocess.run(command, capture_output=True, text=True, check=False, cwd=WORKSPACE)
    assert (completed.returncode, len(completed.stdout.splitlines())) == (141, 1)
    assert completed.stderr == f"model: {model}, trained on an unknown corpus, answers negative or positive\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
def test_a_full_disk_is_said_in_one_line(model, tmp_path):
    (tmp_path / "a.txt").write_text("a good film\n")
    command = [*PREDICT, "--model", str(model), "--input", str(tmp_path / "a.txt")]
    with Path("/dev/full").open("wb") as full:
        completed = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=WORKSPACE)
    assert (completed.returncode, len(completed.stderr.splitlines())) == (1, 2)  # the first line names the model
    assert "the output: no space left; make room there" in completed.stderr


def test_a_terminal_shows_the_rate(model, tmp_path):
    (tmp_path / "a.txt").write_text("a good film\n" * 5000)
    ours, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    command = [*PREDICT, "--model", str(model), "--input", str(tmp_path / "a.txt"), "--output", str(tmp_path / "b.txt")]
    subprocess.run(command, stderr=terminal, check=True, cwd=WORKSPACE)
    os.close(terminal)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "5000 texts" in shown and "texts/s" in shown


def test_what_is_typed_at_a_terminal_is_answered_line_by_line(model):
    ours, terminal = pty.openpty()
    with subprocess.Popen(
        [*PREDICT, "--model", str(model)], stdin=terminal, stdout=terminal, stderr=terminal
    ) as typing:
        os.close(terminal)
        os.write(ours, b"a good film\n")
        shown = ""
        while shown.count("review> ") < 2:
            shown += os.read(ours, 10_000).decode()
        os.write(ours, b"\x04")  # ctrl-D
        assert typing.wait(60) == 0
    os.close(ours)
    ((prediction,),) = [load(model)(["a good film"])]
    assert f"{prediction.label} {prediction.probability:.4f}\r\n" in shown


MEASURED = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""


def peak_memory(model, source):
    """Return the peak of memory, in bytes, of a `predict` of a file."""
    # Not this process's own child: one is born with the peak of its parent, which these tests have made large.
    command = [sys.executable, "-c", MEASURED, *PREDICT, "--model", str(model), "--input", str(source)]
    completed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=WORKSPACE)
    return int(completed.stdout) * (1 if sys.platform == "darwin" else 1024)


def test_memory_does_not_grow_with_the_file(model, tmp_path):
    for name, rows in (("small", 2500), ("large", 7500)):
        with (tmp_path / f"{name}.csv").open("w") as file:
            file.write("text,note\n" + f"good film,{'x' * 10_000}\n" * rows)
    growth = peak_memory(model, tmp_path / "large.csv") - peak_memory(model, tmp_path / "small.csv")
    assert growth < 20e6  # of 50


def test_models_are_fetched_from_mlflow(trained, tmp_path):
    folder = trained.root / "artifacts" / "model"
    store = connect(configuration(f"tracking.uri=sqlite:///{trained.root}/mlflow.db").tracking)
    run_id = json.loads((trained.root / "artifacts" / "run.json").read_text())["run_id"]
    for number, model in enumerate(
        ("models:/sentiment@champion", "models:/sentiment/1", f"runs:/{run_id}/model", run_id)
    ):
        (tmp_path / str(number)).mkdir()
        fetched = fetch_model(store, model, tmp_path / str(number))
        assert all((fetched / file.name).read_bytes() == file.read_bytes() for file in folder.iterdir())
    for model in ("models:/sentiment@nobody", "models:/nothing/1", "0" * 32):
        with pytest.raises(PipelineError, match=f"^{model} cannot be fetched from sqlite:.*: .") as caught:
            fetch_model(store, model, tmp_path)
        assert "\n" not in str(caught.value)


def test_the_champion_answers_as_the_model_it_is_and_both_are_named(trained):
    local, champion = (
        trained.run("python", "-m", "pipeline.predict", *model, "a small wonder")
        for model in ((), ("--model", "models:/sentiment@champion"))
    )
    assert champion.stdout == local.stdout
    assert champion.stdout.endswith("\ta small wonder\n")
    assert local.stderr.endswith("model: artifacts/model, trained on files, answers negative or positive\n")
    assert champion.stderr.endswith(
        "model: sentiment version 1 (champion), trained on files, answers negative or positive\n"
    )


def test_rows_without_a_text_are_answered_and_counted(model, tmp_path, capsys):
    rows = [{"text": "good"}, {"txet": "bad"}, {"text": None}, {"text": "&nbsp;<br>"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    predict(model, tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert capsys.readouterr().err.endswith("a.jsonl: JSON lines, UTF-8, 4 rows, 3 of them without a text\n")
    assert len((tmp_path / "b.jsonl").read_text().splitlines()) == 4
