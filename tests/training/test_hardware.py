"""Hardware of a training."""

import pytest
import torch

from pipeline.runtime.errors import PipelineError
from pipeline.training.hardware import resolve_hardware, seed_generators
from tests.support.training import REGIONS
from tests.training.test_gpu import NETWORKS, WITHOUT_DROPOUT, tiny


def test_a_gpu_that_is_not_there_is_refused(compose):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(PipelineError, match=r"trainer\.accelerator: gpu asked for"):
        resolve_hardware(compose("trainer=gpu").trainer)


def test_threads_are_set(compose):
    assert resolve_hardware(compose("trainer.threads=1").trainer).threads == torch.get_num_threads() == 1


def test_a_step_is_seeded_as_torch_would():
    torch.manual_seed(7)
    expected = torch.rand(3)
    seed_generators(torch.device("cpu"), 7)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_tests_for_a_gpu_ask_for_one_and_keep_up_with_the_configuration(compose, network):
    """Most machines skip them, where a configuration that has moved on, or the wrong device, would not be noticed."""
    regions = REGIONS if network == "model=sentiment_rnn" else ()
    assert tiny(compose, network, *WITHOUT_DROPOUT, *regions).trainer.accelerator == "gpu"
