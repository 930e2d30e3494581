"""Hardware of a training."""

import pytest
import torch

from pipeline.runtime.errors import PipelineError
from pipeline.training.hardware import resolve_hardware


def test_a_gpu_that_is_not_there_is_refused(compose):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(PipelineError, match=r"trainer\.accelerator: gpu asked for"):
        resolve_hardware(compose("trainer=gpu").trainer)


def test_threads_are_set(compose):
    assert resolve_hardware(compose("trainer.threads=1").trainer).threads == torch.get_num_threads() == 1
