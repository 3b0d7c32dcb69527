"""Images of atomic models: the tiers of the microscope and the kernels of single atoms."""
