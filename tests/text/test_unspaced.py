"""Scripts without spaces: their characters are words, and texts in other scripts stay as they are."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.evaluation.frequent_words import frequent_words, share_of_words
from pipeline.evaluation.predictions import score_split
from pipeline.inference.decision_rule import DecisionRule
from pipeline.text.rows import text_lengths
from pipeline.text.unspaced import space_characters
from tests.conftest import describe_dataset
from tests.support.scored import both

PARTED = {
    "房间很干净。早餐“不好”吃": "房 间 很 干 净。 早 餐“ 不 好” 吃",
    "用iPhone11看很好": "用 iPhone11 看 很 好",
    "コーヒー": "コ ー ヒ ー",
    "\u0e25\u0e31\u0e07 \u0e19\u0e49\u0e33": "\u0e25\u0e31 \u0e07 \u0e19\u0e49 \u0e33",  # a mark stays above its letter
}
OTHERS = ["Isn\u2019t it — été 👍🏽!", "  two  spaces ", "한국어 문장은", "हिन्दी में शब्द", "\ud83d half", ""]


@pytest.mark.parametrize(("text", "parted"), PARTED.items())
def test_each_character_of_a_script_without_spaces_is_a_word(text, parted):
    assert space_characters(text).split() == parted.split()


@pytest.mark.parametrize("text", OTHERS)
def test_texts_in_other_scripts_stay_as_they_are(text):
    assert space_characters(text) == text


class _Undecided:
    classes, rule = ("negative", "positive"), DecisionRule(0.5)

    def probabilities(self, texts):
        return both([0.5 for _ in texts])


def test_lengths_and_frequent_words_count_them(tmp_path):
    texts = [*PARTED, "a film — très bon"]
    describe_dataset(tmp_path, test=len(texts))
    (tmp_path / "test").mkdir()
    table = pa.table({"id": texts, "text": texts, "label": pa.array([0] * len(texts), pa.int8())})
    pq.write_table(table, tmp_path / "test" / "rows.parquet")
    assert score_split(tmp_path, "test", _Undecided()).words.tolist() == [10, 5, 4, 4, 5]
    assert text_lengths(tmp_path, "test").tolist() == [13 + 4 * 10, 12 + 4 * 4, 4 + 4 * 2, 7 + 4 * 6, 17]
    frequent = frequent_words(["房间很干净", "早餐不好吃"])
    assert share_of_words(["不很干净"], frequent) == 1
    assert share_of_words(["a film"], frequent) == 0
