"""Training: `fit.fit` runs one stage from a configuration; `entry.launch` connects it to the command line.

A stage is a file `conf/stage/<name>.yaml`. It names a network (`model`, plain keyword arguments), a
LightningDataModule with a method ``describe() -> dict`` of plain values for the card, and a LightningModule that holds
the network as `net`, takes the partials `optimizer` and `scheduler` (stepped every step), and logs its metrics as
``val/...`` and ``test/...``, those of the untrained baseline beside them.
"""
