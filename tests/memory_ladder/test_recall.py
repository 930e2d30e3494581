"""The task that memory alone solves, and what is made of it."""

import numpy as np
import pytest
import torch

from pipeline.memory_ladder.__main__ import measure_recall, recall_panels, recall_table
from pipeline.memory_ladder.recall import MARK, RecallTask, recall_accuracy, train_recall
from pipeline.report.figure_files import write_panels
from pipeline.runtime.errors import PipelineError

TASK = RecallTask(words=3, farthest=4)


def test_a_text_has_one_mark_before_its_answer_at_the_distance_asked_for():
    distances = np.repeat(np.arange(5), 20)
    ids, answers = TASK.draw(distances, np.random.default_rng(1))
    rows, marks = (ids == MARK).nonzero(as_tuple=True)
    assert rows.tolist() == list(range(100))
    assert (ids.shape[1] - 2 - marks).tolist() == distances.tolist()
    assert ids[rows, marks + 1].tolist() == (answers + 1).tolist()
    assert set(answers.tolist()) == {0, 1, 2}


def test_training_texts_have_every_distance_and_short_ones_often():
    ids, _ = RecallTask(farthest=100).draw_training(4000, np.random.default_rng(1))
    distances = ids.shape[1] - 2 - (ids == MARK).nonzero(as_tuple=True)[1]
    assert (distances.min(), distances.max()) == (1, 100)
    shares = [((distances >= low) & (distances < 2 * low)).float().mean().item() for low in (1, 2, 4, 8, 16, 32)]
    assert shares == pytest.approx([np.log(2) / np.log(101)] * 6, abs=0.03)


def test_a_cell_learns_the_task_the_same_way_each_time():
    first, second = (list(train_recall("lstm", 1e-2, TASK, [1, 150], 1, lambda: None))[-1] for _ in range(2))
    assert all(one.equal(other) for one, other in zip(first.parameters(), second.parameters(), strict=True))
    assert min(recall_accuracy(first, TASK, [1, 4], 100, np.random.default_rng(1))) > 0.9


def test_each_cell_is_measured_with_the_learning_rate_that_recalls_most(tmp_path, caplog):
    caplog.set_level("INFO")
    threads = torch.get_num_threads()
    recall = measure_recall(TASK, [1, 3], seeds=2)
    torch.set_num_threads(threads)
    assert recall["distances"] == [1, 2, 4]
    for cell in recall["cells"].values():
        assert np.array(cell["test"]).shape == (2, 2, 3), "seeds, steps, distances"
        best = max(cell["validation"].values(), key=lambda shares: shares[-1])
        assert cell["validation"][f"{cell['lr']:g}"] == best
    weights = [cell["weights"] for cell in recall["cells"].values()]
    assert [number / weights[0] for number in weights] == [1, 3, 4]
    assert sum("recalled" in message for message in caplog.messages) == 3 * (3 + 1)
    assert len(recall_table(recall).splitlines()) == 2 + 2 * 3
    write_panels(tmp_path / "recall.png", recall_panels(recall))
    assert (tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("steps", "seeds"), [([0], 1), ([2, 1], 1), ([1], 0)])
def test_steps_and_seeds_that_make_no_sense_are_refused(steps, seeds):
    with pytest.raises(PipelineError, match="must be at least 1 each, and the steps in ascending order"):
        measure_recall(TASK, steps, seeds)
