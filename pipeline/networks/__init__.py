"""The networks: `nn.Module`s and how to build one from the configuration."""
