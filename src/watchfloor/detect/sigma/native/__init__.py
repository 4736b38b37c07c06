"""The native path: a small C core beside the plain path, with the same answers.

Importing it raises ImportError where the core was not built: `python3 tools/native.py` builds it where there is a C
compiler. What rules become is in lowering.py and core.h; how an event goes through it begins in core.c.
"""

from watchfloor.detect.sigma.native.path import NativePath

__all__ = ["NativePath"]
