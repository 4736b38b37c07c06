"""`watchfloor case`: what the console does with cases, for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from watchfloor.cli.options import DEFAULT_HOME, HomeDir, OutputFormat
from watchfloor.cli.output import lines, out, say

app = typer.Typer(help="Cases: list, show, comment, resolve, reopen, replay.", no_args_is_help=True)

CaseUid = Annotated[str, typer.Argument(help="The case's uid, as `case list` prints it.")]
User = Annotated[str, typer.Option("--user", envvar="WATCHFLOOR_USER", help="Who does it; stands in the ledger.")]
Hypothesis = Literal["malicious", "benign_true_positive", "false_positive"]


@app.command("list")
def list_(
    disposition: Annotated[Literal["escalate", "queue", "close"] | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    format: OutputFormat = "text",
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """The queue, the most pressing case first.

    Example: `watchfloor case list --disposition escalate`
    """
    from watchfloor.app.watchfloor import Watchfloor
    from watchfloor.cli.tables import case_line, print_queue

    with Watchfloor.open(home) as product:
        rows = product.desk.queue(disposition=disposition, limit=None)
        if format == "jsonl":
            findings = {f.uid: f for f in product.pipeline.findings()}
            lines(case_line(row, findings) for row in rows[:limit])
        else:
            print_queue(rows[:limit], len(rows))


@app.command()
def show(case: CaseUid, home: HomeDir = DEFAULT_HOME) -> None:
    """One case: verdict, why, what could not be checked, plan.

    Example: `watchfloor case show c-0123456789abcdef`
    """
    from watchfloor.app.watchfloor import Watchfloor
    from watchfloor.cli.tables import print_case

    with Watchfloor.open(home) as product:
        print_case(product.desk.case_view(case))


@app.command()
def evidence(uid: Annotated[str, typer.Argument(help="A claim's citation.")], home: HomeDir = DEFAULT_HOME) -> None:
    """The recorded answer that a claim cites, its digest checked.

    Example: `watchfloor case evidence e-0123456789abcdef`
    """
    from watchfloor.app.watchfloor import Watchfloor

    with Watchfloor.open(home) as product:
        found = product.desk.evidence_view(uid)
        say(f"{found.source} · {found.lookup.collector} · {found.content_digest} (checked)")
        out.print(found.content or f"failed: {found.reason}", markup=False)


@app.command()
def comment(
    case: CaseUid,
    text: Annotated[str, typer.Argument(help="What to say.")],
    user: User,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Say something on a case.

    Example: `watchfloor case comment c-0123456789abcdef "called the user" --user ana`
    """
    from watchfloor.app.watchfloor import Watchfloor

    with Watchfloor.open(home) as product:
        product.desk.comment(case, user, text)


@app.command()
def resolve(
    case: CaseUid,
    hypothesis: Annotated[Hypothesis, typer.Argument(help="What it was.")],
    user: User,
    code: Annotated[str, typer.Option(help="Resolution code.")] = "",
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """A person's verdict: resolves the case and labels its class.

    Example: `watchfloor case resolve c-0123456789abcdef false_positive --user ana`
    """
    from watchfloor.app.watchfloor import Watchfloor

    with Watchfloor.open(home) as product:
        product.desk.resolve(case, hypothesis, user, code)


@app.command()
def reopen(case: CaseUid, user: User, home: HomeDir = DEFAULT_HOME) -> None:
    """Undo a resolution.

    Example: `watchfloor case reopen c-0123456789abcdef --user ana`
    """
    from watchfloor.app.watchfloor import Watchfloor

    with Watchfloor.open(home) as product:
        product.desk.reopen(case, user)


@app.command()
def replay(
    cases: Annotated[list[str] | None, typer.Argument(help="Cases; all when none is named.")] = None,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Decide again from the recorded inputs and compare the bytes. Fails when one differs.

    Example: `watchfloor case replay`
    """
    from watchfloor.app.watchfloor import Watchfloor
    from watchfloor.core.errors import WatchfloorError

    with Watchfloor.open(Path(home)) as product:
        uids = cases or [row.case.uid for row in product.desk.queue(limit=None) if row.verdict]
        for uid in uids:
            stored, again = product.desk.replay(uid)
            if stored.canonical() != again.canonical():
                raise WatchfloorError("the verdict decided again has other bytes", where=uid)
        say(f"{len(uids):,} verdicts decided again: the same bytes")
