"""Writes the bundled story: three working days at an invented company, in the vendors' own raw formats."""
