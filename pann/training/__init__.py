"""Training from a composed configuration."""
