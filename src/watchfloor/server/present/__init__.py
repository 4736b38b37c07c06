"""Nouns turned into what templates show: words, figures, rows, bars. Pure."""
