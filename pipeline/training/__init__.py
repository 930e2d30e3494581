"""All of Lightning: modules, data module, callbacks, distributed training, pre-training, pseudo-labels."""
