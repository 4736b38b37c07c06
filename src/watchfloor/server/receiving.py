"""Files that came with a request, in a scratch folder while they are read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fastapi import UploadFile

from watchfloor.app.uploads import Upload


@contextmanager
def received(files: Sequence[UploadFile]) -> Iterator[list[Upload]]:
    """The files on disk. Nothing of a sender's name becomes a path: on disk they are called by number."""
    with tempfile.TemporaryDirectory(prefix="watchfloor-upload-") as scratch:
        uploads = [Upload(file.filename or "", Path(scratch) / str(n)) for n, file in enumerate(files)]
        for upload, file in zip(uploads, files, strict=True):
            with upload.path.open("wb") as target:
                shutil.copyfileobj(file.file, target, 1 << 20)
        yield uploads
