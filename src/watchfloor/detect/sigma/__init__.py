"""Sigma: pySigma parses the rules, our own matcher evaluates them."""
