"""Findings -> cases -> questions -> verdicts. Pure: no I/O but reading the shipped content, no clock, no randomness."""
