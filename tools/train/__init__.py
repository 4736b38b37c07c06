"""Trains the learned detectors: `python -m tools.train NAME`. See docs/explanation/learned-detectors.md."""
