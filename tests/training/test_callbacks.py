"""The moving average of the weights follows them as it should, through Lightning's own loop."""

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from pipeline.training.callbacks import MovingAverage


class Counting(pl.LightningModule):
    """Its only weight is the number of steps taken."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.validated: list[float] = []

    def training_step(self, _batch, _index):
        return -self.weight

    def validation_step(self, _batch, _index):
        self.validated.append(self.weight.item())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


def test_the_average_begins_with_the_first_weights_and_is_validated_and_kept(tmp_path):
    module, batches = Counting(), DataLoader(range(4), batch_size=None)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        num_sanity_val_steps=0,
        callbacks=[MovingAverage(0.25)],
        default_root_dir=tmp_path,
        **quiet,
    )
    trainer.fit(module, batches, DataLoader(range(1), batch_size=None))
    expected = 1.0
    for updates, weight in ((1, 2.0), (2, 3.0), (3, 4.0)):
        kept = min(0.25, (1 + updates) / (10 + updates))
        expected = kept * expected + (1 - kept) * weight
    torch.testing.assert_close(module.validated, [expected])
    torch.testing.assert_close(module.weight.item(), expected)
