"""`watchfloor case`: what the console does with cases, for scripts."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from watchfloor.cli import regroup, reply
from watchfloor.cli.named import find_case, find_user, opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir, OutputFormat
from watchfloor.cli.output import lines, out, put, say

app = typer.Typer(help="Cases: list, show, comment, resolve, replay, reply, merge, split.", no_args_is_help=True)
regroup.add_to(app)
reply.add_to(app)

CaseUid = Annotated[str, typer.Argument(help="The case's uid, as `case list` prints it, or its beginning.")]
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
    from watchfloor.cli.tables import case_line, print_queue

    with opened(home) as product:
        rows = product.desk.queue(disposition=disposition, limit=limit)
        if format == "jsonl":
            findings = {f.uid: f for f in product.pipeline.findings()}
            lines(case_line(row, findings) for row in rows)
        else:
            again = product.desk.reopened([row.case.uid for row in rows])
            print_queue(rows, product.desk.count(disposition), "--limit N shows more", again)


@app.command()
def show(
    case: CaseUid,
    steps: Annotated[
        bool, typer.Option("--steps", help="Every question in its order, and what was not needed.")
    ] = False,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """One case: verdict, why, what could not be checked, how it was investigated, plan, similar cases.

    Example: `watchfloor case show case-0123456789abcdef --steps`
    """
    from watchfloor.cli.tables import print_case
    from watchfloor.cli.way import print_similar

    with opened(home) as product:
        uid = find_case(product, case)
        print_case(product.desk.case_view(uid), product.desk.entity_risks(uid), every_step=steps)
        print_similar(product.desk.similar(uid))
        regroup.print_grouping(product.desk.case_view(uid), product.desk.regroupings.of_case(uid))


@app.command()
def resolutions(format: OutputFormat = "text") -> None:
    """The resolution codes, what each means, and the close codes of ticketing systems that it stands for.

    Example: `watchfloor case resolutions`
    """
    from watchfloor.cli.way import print_resolutions
    from watchfloor.triage.resolutions import shipped

    if format == "jsonl":
        lines(code.to_dict() for code in shipped().values())
    else:
        print_resolutions(shipped().values())


@app.command()
def evidence(uid: Annotated[str, typer.Argument(help="A claim's citation.")], home: HomeDir = DEFAULT_HOME) -> None:
    """The recorded answer that a claim cites, its digest checked.

    Example: `watchfloor case evidence e-0123456789abcdef`
    """
    with opened(home) as product:
        found = product.desk.evidence_view(uid)
        say(f"{found.source} · {found.lookup.collector} · {found.content_digest} (checked)")
        if found.content:
            out.print_json(found.content)
        else:
            put(f"could not check: {found.reason}")


@app.command()
def comment(
    case: CaseUid,
    text: Annotated[str, typer.Argument(help="What to say.")],
    user: User,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Say something on a case.

    Example: `watchfloor case comment case-0123456789abcdef "called the user" --user ana`
    """
    with opened(home) as product:
        product.desk.comment(uid := find_case(product, case), find_user(product, user), text)
        say(f"{user} on {uid}: {text.strip()}")


@app.command()
def resolve(
    case: CaseUid,
    hypothesis: Annotated[Hypothesis, typer.Argument(help="What it was.")],
    user: User,
    code: Annotated[str, typer.Option(help="Resolution code.")] = "",
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """A person's verdict: resolves the case and labels its class.

    Example: `watchfloor case resolve case-0123456789abcdef false_positive --user ana`
    """
    with opened(home) as product:
        product.desk.resolve(uid := find_case(product, case), hypothesis, find_user(product, user), code)
        say(f"{uid} is resolved by {user}: {hypothesis}")


@app.command()
def reopen(case: CaseUid, user: User, home: HomeDir = DEFAULT_HOME) -> None:
    """Undo a resolution.

    Example: `watchfloor case reopen case-0123456789abcdef --user ana`
    """
    with opened(home) as product:
        product.desk.reopen(uid := find_case(product, case), find_user(product, user))
        say(f"{uid} is open again")


@app.command()
def replay(
    cases: Annotated[list[str] | None, typer.Argument(help="Cases; all when none is named.")] = None,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Decide again from the recorded inputs and compare the bytes. Fails when one differs.

    Example: `watchfloor case replay`
    """
    from watchfloor.core.errors import WatchfloorError

    with opened(home) as product:
        uids = [find_case(product, case) for case in cases or ()] or [
            row.case.uid for row in product.desk.queue(limit=None) if row.verdict
        ]
        for uid in uids:
            stored, again = product.desk.replay(uid)
            if stored.canonical() != again.canonical():
                raise WatchfloorError("the verdict decided again has other bytes", where=uid)
        say(f"{len(uids):,} verdicts decided again: the same bytes")
