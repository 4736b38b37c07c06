"""`watchfloor case reply`: a draft of what to answer who reported a mail."""

from __future__ import annotations

from typing import Annotated

import typer

from watchfloor.cli.named import find_case, opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir, OutputFormat
from watchfloor.cli.output import lines, put, say


def add_to(app: typer.Typer) -> None:
    app.command("reply")(reply)


def reply(
    case: Annotated[str, typer.Argument(help="The case's uid, as `case list` prints it, or its beginning.")],
    format: OutputFormat = "text",
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """A draft of what to answer each person who reported the case's mails. Nothing is sent.

    Example: `watchfloor case reply case-0123456789abcdef`
    """
    from watchfloor.core.errors import WatchfloorError

    with opened(home) as product:
        uid = find_case(product, case)
        drafts = product.desk.mails(uid).replies
        if not drafts:
            raise WatchfloorError("nobody reported a mail of this case", where=uid)
        if format == "jsonl":
            lines({**one._asdict(), "rests_on": list(one.rests_on)} for one in drafts)
            return
        for one in drafts:
            put(f"To: {one.to}\nSubject: {one.subject}\n\n{one.text}")
        say(f"{len(drafts)} draft{'s' if len(drafts) > 1 else ''}; nothing was sent")
