"""Coverage of held-out reviews by the vocabulary."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.preprocessing.coverage import check_coverage
from pipeline.runtime.errors import PipelineError

CHINESE = ["房间很干净", "早餐不好吃", "再也不来了"]
THAI = ["ห้องสะอาดมาก", "อาหารไม่อร่อย"]
GERMAN = ["Das Frühstück war köstlich", "Nie wieder, das Bad war schmutzig"]
ENGLISH = ["A clean room", "Never again"]


@pytest.mark.parametrize(
    ("texts", "tokenizer", "advice"),
    [
        (CHINESE, "basic_english", "text.tokenizer=characters"),
        (THAI, "unicode_words", "text.tokenizer=characters"),
        (GERMAN, "basic_english", "text.tokenizer=unicode_words"),
        (GERMAN, "unicode_words", "lower text.min_frequency"),
        (ENGLISH, "basic_english", "lower text.min_frequency"),
        (CHINESE, "characters", "lower text.min_frequency"),
        (CHINESE, "sentencepiece", "raise text.max_vocabulary"),
    ],
)
def test_a_vocabulary_that_knows_too_little_is_refused_with_the_setting_to_change(
    tmp_path, compose, caplog, texts, tokenizer, advice
):
    pq.write_table(pa.table({"text": texts}), tmp_path / "rows.parquet")
    config = compose(f"text.tokenizer={tokenizer}").text
    check_coverage(0.3, config, 20, tmp_path, trial=False)
    with pytest.raises(PipelineError, match=rf"validation: 31% of the words are unknown.*; .*{advice}"):
        check_coverage(0.31, config, 20, tmp_path, trial=False)
    check_coverage(0.31, config, 20, tmp_path, trial=True)
    assert caplog.messages[-1].startswith("warning: validation: 31% of the words")
    check_coverage(0.31, config.model_copy(update={"max_unknown_share": 0.5}), 20, tmp_path, trial=False)


@pytest.mark.parametrize(
    ("texts", "tokenizer", "hinted"),
    [
        (CHINESE, "basic_english", True),
        (CHINESE, "characters", False),
        (CHINESE, "sentencepiece", False),
        (GERMAN, "basic_english", False),
    ],
)
def test_a_script_without_spaces_gets_a_hint_even_if_its_words_are_known(
    tmp_path, compose, caplog, texts, tokenizer, hinted
):
    pq.write_table(pa.table({"text": texts}), tmp_path / "rows.parquet")
    check_coverage(0.0, compose(f"text.tokenizer={tokenizer}").text, 20, tmp_path, trial=False)
    assert any("text.tokenizer=characters" in message for message in caplog.messages) == hinted
