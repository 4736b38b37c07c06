"""Builds the running product from a home and its settings; the only place where rooms meet.

`app.watchfloor.Watchfloor` is the product. This module imports nothing, so that a command loads what it uses.
"""
