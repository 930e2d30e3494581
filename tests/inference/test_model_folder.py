"""The model folder: written whole, read back, and refused when damaged."""

import json

import pytest

from pipeline.inference.model_folder import load_model, require_digest, save_model
from pipeline.predict import load
from pipeline.preprocessing.learned_tokenizer import learn_sentencepiece
from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.errors import PipelineError
from pipeline.text.vocabulary import SPECIALS, Vocabulary
from tests.inference.conftest import WORDS
from tests.preprocessing.test_encoding import batch


def copied(saved, tmp_path):
    copy = tmp_path / "model"
    copy.mkdir()
    for path in saved[0].iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def change_config(copy, **values):
    path = copy / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_saving_twice_gives_the_same_bytes(saved, tmp_path):
    folder, network, _ = saved
    info = json.loads((folder / "config.json").read_text())
    del info["format"]
    save_model(tmp_path / "again", network, Vocabulary([*SPECIALS, *WORDS]), info)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()
    }


def test_a_failed_save_leaves_nothing(saved, tmp_path):
    with pytest.raises(ValueError):
        save_model(tmp_path / "model", saved[1], Vocabulary(SPECIALS), {"temperature": -1})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.json", "config.json"])
def test_a_missing_file_is_named(saved, tmp_path, name):
    copy = copied(saved, tmp_path)
    (copy / name).unlink()
    with pytest.raises(PipelineError, match=rf"{name} is missing"):
        load(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda copy: (copy / "model.safetensors").write_bytes(b"no weights"), "model.safetensors is damaged"),
        (lambda copy: (copy / "config.json").write_text("{"), r"config.json is damaged: it is not JSON"),
        (
            lambda copy: change_config(copy, format=99),
            r"is of a newer version of this project \(format 99, this one reads 5\); check out that version",
        ),
        (
            lambda copy: (copy / "config.json").write_text('{"format": 3}'),
            r"is of an older version of this project \(format 3, this one reads 5\); train and register the",
        ),
        (
            lambda copy: change_config(copy, costs=[[0, 1], [1, 0]]),
            "config.json is damaged: 'costs' does not fit 2 classes",
        ),
        (
            lambda copy: change_config(copy, temperature=0),
            "config.json is damaged: 'temperature.0': Input should be",
        ),
        (
            lambda copy: change_config(copy, classes=["spam", "spam"]),
            "config.json is damaged: 'classes' holds a name twice",
        ),
        (
            lambda copy: change_config(copy, classes=["bad", "fair", "good"]),
            "config.json is damaged: 'temperature', 'bias' and 'threshold' do not fit 3 classes",
        ),
        (
            lambda copy: (copy / "vocab.json").write_text(json.dumps(SPECIALS)),
            "does not fit config.json and vocab.json",
        ),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(saved, tmp_path, change, message):
    copy = copied(saved, tmp_path)
    change(copy)
    with pytest.raises(PipelineError, match=message) as caught:
        load(copy)
    assert "\n" not in str(caught.value)


def test_a_learned_tokenizer_is_kept_in_the_folder_and_part_of_its_digest(saved, tmp_path, compose):
    folder, network, _ = saved
    text = compose("text.tokenizer=sentencepiece", "text.max_vocabulary=60").text
    reviews = [f"The {noun} was {verdict}" for noun in ("film", "plot") for verdict in ("good", "bad", "un-good")] * 5
    tokenizer_model = learn_sentencepiece([[batch("train", [(review, 1) for review in reviews])]], text)
    info = json.loads((folder / "config.json").read_text()) | {"text": text.model_dump()}
    del info["format"]
    vocabulary = Vocabulary([*SPECIALS, *WORDS], tokenizer_model)
    save_model(tmp_path / "model", network, vocabulary, info)
    loaded = load_model(tmp_path / "model")[1]
    assert (loaded.words, loaded.tokenizer_model) == (vocabulary.words, tokenizer_model)
    load(tmp_path / "model")
    digest = folder_digest(tmp_path / "model")
    require_digest(tmp_path / "model", digest)
    (tmp_path / "model" / "sentencepiece.model").write_bytes(tokenizer_model[:-1])
    with pytest.raises(PipelineError, match="was not written by the run"):
        require_digest(tmp_path / "model", digest)
    with pytest.raises(PipelineError, match=r"sentencepiece.model is damaged; make its folder again"):
        load(tmp_path / "model")
    (tmp_path / "model" / "sentencepiece.model").unlink()
    with pytest.raises(PipelineError, match=r"sentencepiece.model is missing, the folder is incomplete; make it again"):
        load(tmp_path / "model")
