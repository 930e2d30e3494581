"""Properties that hold for any input; `HYPOTHESIS_PROFILE=long` tries a hundred times as many inputs."""

import gzip
import io
import os
import tarfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.config.file_format import AUTOMATIC
from pipeline.config.labels import LABELS
from pipeline.config.params import load_params
from pipeline.config.schema import validate
from pipeline.config.split import SplitConfig
from pipeline.corpus.archive import archive_reviews
from pipeline.inference.predictor import Prediction
from pipeline.preprocessing.duplicates import PRECEDENCE, near_key
from pipeline.preprocessing.splitting import hold_out
from pipeline.runtime.errors import PipelineError
from pipeline.tables.answer_columns import WantedColumns
from pipeline.tables.parquet_answers import answer_parquet
from pipeline.tables.table_reader import Table
from pipeline.tables.text_answers import answered_lines
from pipeline.text.cleaning import prepare
from pipeline.text.tokenizer import Tokenizer
from pipeline.text.vocabulary import SPECIALS, UNKNOWN, Encoder, Vocabulary
from tests.conftest import configuration
from tests.corpus.test_source import REVIEWS, encoded, tar
from tests.preprocessing.test_duplicates import found, keys
from tests.support.commands import params
from tests.support.workbooks import workbook_bytes

settings.register_profile("default", max_examples=25, deadline=None, derandomize=True, database=None)
settings.register_profile("long", max_examples=2500, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
VALUE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_subnormal=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
TEXT_CONFIG = configuration().text
LABELLED = st.lists(st.tuples(VALUE, st.sampled_from([0, 1])), min_size=1, max_size=60)


def written(name: str, data: bytes, folder: str) -> Path:
    path = Path(folder) / name
    path.write_bytes(data)
    return path


@given(TEXT)
def test_words_of_the_vocabulary_come_back_from_their_ids(text):
    tokens = Tokenizer("basic_english")(prepare(text, TEXT_CONFIG))
    vocabulary = Vocabulary([*SPECIALS, *sorted(set(tokens) - set(SPECIALS))])
    ids = Encoder(TEXT_CONFIG.model_copy(update={"max_tokens": None}), vocabulary).encode(text)
    assert [vocabulary.words[i] if i != UNKNOWN else "?" for i in ids] == [
        "?" if token in SPECIALS else token for token in tokens or SPECIALS
    ][: len(ids)]
    assert len(ids) == max(1, len(tokens))


@given(TEXT, st.integers(1, 8), st.sampled_from(["head", "tail", "head_tail"]))
def test_a_cut_keeps_words_of_the_review_in_their_order(text, limit, way):
    tokens = Tokenizer("basic_english")(prepare(text, TEXT_CONFIG))
    vocabulary = Vocabulary([*SPECIALS, *sorted(set(tokens) - set(SPECIALS))])
    whole = Encoder(TEXT_CONFIG.model_copy(update={"max_tokens": None}), vocabulary).encode(text).tolist()
    cut = Encoder(TEXT_CONFIG.model_copy(update={"max_tokens": limit, "truncate": way}), vocabulary).encode(text)
    assert len(cut) == min(limit, len(whole))
    rest = iter(whole)
    assert all(token in rest for token in cut.tolist())


@given(LABELLED, st.integers(0, 5), st.floats(0.05, 0.45), st.randoms(use_true_random=False))
def test_splits_are_stratified_keep_duplicates_together_and_ignore_the_order(rows, seed, share, random):
    config = SplitConfig(validation=share, test=share, stratify=True, seed=seed)
    rows = [("train", text, label) for text, label in rows]
    hashes = keys(rows)
    try:
        hold_out(hashes, np.ones(len(rows), bool), config, LABELS)
    except PipelineError as error:
        assert str(error).startswith("split")  # too few
        return
    parts = dict(
        zip(
            zip(hashes.near.tolist(), hashes.label.tolist(), strict=True),
            hashes.split.tolist(),
            strict=True,
        )
    )
    assert [
        parts[near, label] for near, label in zip(hashes.near.tolist(), hashes.label.tolist(), strict=True)
    ] == list(hashes.split)
    for label in (0, 1):
        assert set(hashes.split[hashes.label == label]) >= {PRECEDENCE.index(part) for part in ("train", "test")}
    shuffled = random.sample(rows, len(rows))
    again = keys(shuffled)
    hold_out(again, np.ones(len(rows), bool), config, LABELS)
    assert all(
        parts[near, label] == split
        for near, label, split in zip(again.near.tolist(), again.label.tolist(), again.split.tolist(), strict=True)
    )


@given(st.lists(st.tuples(st.sampled_from(PRECEDENCE), st.sampled_from("aAbB!cé "), st.sampled_from([0, 1]))))
def test_of_reviews_alike_one_stays_or_those_of_the_test_split(rows):
    rows = [(split, text, None if split == "unlabelled" else label) for split, text, label in rows]
    keep, report = found(rows)
    for near in {near_key(text) for _, text, _ in rows}:
        alike = [i for i, (_, text, _) in enumerate(rows) if near_key(text) == near]
        kept = [i for i in alike if keep[i]]
        first = min((rows[i][0] for i in alike), key=PRECEDENCE.index)
        own = [i for i in alike if rows[i][0] == first]
        votes = Counter(rows[i][2] for i in own)
        winners = [label for label, count in votes.items() if count == max(votes.values())]
        if first == "test":
            assert kept == own
        elif len(winners) > 1:
            assert not kept
        else:
            assert kept == [next(i for i in own if rows[i][2] == winners[0])]
    assert sum(report["dropped"].values()) == int((~keep).sum())


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
@given(rows=st.lists(st.builds(dict, text=VALUE, label=VALUE), min_size=1, max_size=20))
def test_rows_of_a_corpus_are_read_as_written(ending, rows):
    with TemporaryDirectory() as folder:
        path = written(f"a.{ending}", encoded(rows, ending), folder)
        rows_read = [row for batch in Table(path).batches() for row in batch.to_pylist()]
    assert rows_read == rows


def answers(rows):
    return ((row, Prediction(f"{len(text)}", 0.5, [0.5, 0.5])) for row, text in rows)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
@given(rows=st.lists(st.builds(dict, text=VALUE, note=VALUE), min_size=1, max_size=20))
def test_rows_to_predict_are_handed_on_as_written(ending, rows):
    with TemporaryDirectory() as folder:
        source = written(f"in.{ending}", encoded(rows, ending), folder)
        text = "".join(answered_lines(Table(source), AUTOMATIC, WantedColumns([["text"]]), answers))
        path = written(f"a.{ending}", text.encode(), folder)
        rows_read = [row for batch in Table(path).batches() for row in batch.to_pylist()]
    assert [{"text": row["text"], "note": row["note"]} for row in rows_read] == rows
    assert [row["label"] for row in rows_read] == [f"{len(row['text'])}" for row in rows]


def flipped(data: bytes, changes: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for place, byte in changes:
        changed[place % len(changed)] = byte
    return bytes(changed)


BYTES = st.binary(max_size=200)
CHANGES = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=12)
SOUND: dict[str, bytes] = {
    ending: encoded([{"text": "a film", "label": "1"}, {"text": "bad", "label": None}], ending)
    for ending in ("csv", "tsv", "jsonl", "parquet")
}
SOUND["xlsx"] = workbook_bytes([["text", "label"], ["a film", 1], ["bad", None]])


@pytest.mark.parametrize("ending", sorted(SOUND))
@given(junk=BYTES, changes=CHANGES)
@example(junk=b"", changes=[(185, 128)])  # Parquet: a column's name is not UTF-8
def test_no_bytes_break_the_readers(ending, junk, changes):
    for data in (junk, flipped(SOUND[ending], changes)):
        with TemporaryDirectory() as folder:
            path = written(f"a.{ending}", data, folder)
            try:
                for batch in Table(path).batches():
                    batch.to_pylist()
            except PipelineError as error:
                assert path.name in str(error)
            try:
                if ending == "parquet":
                    answer_parquet(Table(path), path.with_name("b"), WantedColumns([["text"]]), answers)
                else:
                    list(answered_lines(Table(path), AUTOMATIC, WantedColumns([["text"]]), answers))
            except PipelineError as error:
                assert "a" in str(error)


PLAIN_TAR = gzip.decompress(tar(REVIEWS))


@given(junk=BYTES, changes=CHANGES)
def test_no_bytes_break_the_unpacker(junk, changes):
    for data in (junk, flipped(PLAIN_TAR, changes), gzip.compress(flipped(PLAIN_TAR, changes), 1)):
        with TemporaryDirectory() as folder:
            path = written("a.tar", data, folder)
            try:
                for split, row in archive_reviews(path):
                    assert split in {"train", "test", "unlabelled"} and row.id
            except PipelineError as error:
                assert "a.tar" in str(error)
            assert list(Path(folder).iterdir()) == [path]


@given(names=st.lists(TEXT.filter(lambda name: "\0" not in name), min_size=1, max_size=4))
def test_no_name_of_a_member_leads_outside(names):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for name in names:
            file.addfile(tarfile.TarInfo(f"aclImdb/train/pos/{name}"), io.BytesIO())
    with TemporaryDirectory() as folder:
        path = written("a.tar", buffer.getvalue(), folder)
        with suppress(PipelineError):
            assert all(".." not in row.id for _, row in archive_reviews(path))
        assert list(Path(folder).iterdir()) == [path]


@given(values=JUNK)
def test_no_configuration_breaks_validation(values):
    with pytest.raises(PipelineError):
        validate(values)


COMPOSED: dict[str, Any] = configuration().model_dump(mode="json")


@given(section=st.sampled_from(sorted(COMPOSED)), key=TEXT, value=JUNK, data=st.data())
def test_no_value_of_a_key_breaks_validation(section, key, value, data):
    present = COMPOSED[section]
    if isinstance(present, dict):
        name = data.draw(st.sampled_from([key, *present]))
        changed = {**COMPOSED, section: {**present, name: value}}
    else:
        changed = {**COMPOSED, section: value}
    try:
        assert validate(changed)
    except PipelineError as error:
        assert section in str(error) or key in str(error)


@given(data=BYTES | st.builds(flipped, st.just(params("files", {}).encode()), CHANGES))
def test_no_bytes_break_the_reader_of_params(data):
    with TemporaryDirectory() as folder:
        try:
            load_params(written("params.yaml", data, folder))
        except PipelineError as error:
            assert len(str(error)) < 20_000
