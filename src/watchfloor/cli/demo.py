"""`watchfloor demo`: the whole product on the bundled story."""

from __future__ import annotations

import secrets
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watchfloor.cli.output import progress, say

if TYPE_CHECKING:
    from watchfloor.app.watchfloor import Watchfloor

LEAD, ANALYST = "lena", "ana"


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    once: Annotated[bool, typer.Option("--once", help="Print the summary and end; no console.")] = False,
    home: Annotated[Path | None, typer.Option(help="Keep it here; by default a temporary folder.")] = None,
    port: Annotated[int, typer.Option(help="Port of the console on 127.0.0.1; 0 takes a free one.")] = 8450,
    browser: Annotated[bool, typer.Option(help="Open a browser where there is one.")] = True,
) -> None:
    """The whole product on a bundled story: three days at an invented company, with a console to look around in.

    Example: `watchfloor demo --once`
    """
    if home is not None:
        _demo(home, once, port, browser)
        return
    with tempfile.TemporaryDirectory(prefix="watchfloor-demo-") as folder:
        _demo(Path(folder), once, port, browser)


def _demo(home: Path, once: bool, port: int, browser: bool) -> None:
    from watchfloor.app.story import Story
    from watchfloor.app.watchfloor import Watchfloor
    from watchfloor.cli.serve import serve_console
    from watchfloor.cli.tables import print_queue, print_summary

    story = Story.bundled()
    with (
        story.company(home) as company,
        Watchfloor.open(home, story.settings(), company.connections()) as product,
    ):
        password = secrets.token_urlsafe(9)
        product.add_user(LEAD, password, ("lead", "analyst"))
        product.add_user(ANALYST, password, ("analyst",))
        started = time.perf_counter()
        with progress() as report:
            done = product.pipeline.ingest([story.records], report)
            product.pipeline.triage(report)
        seconds = time.perf_counter() - started
        summary = product.summary(story.truth())
        print_queue(product.desk.queue(disposition="escalate", limit=None), summary.cases)

        say(f"\n{done.records:,} records read = {done.events:,} events + {done.dead_letters:,} dead letters")
        print_summary(summary)
        say(f"\nfrom records to verdicts in {seconds:.1f} s")
        if once:
            _play(product, password)
            return
        say(f"\nlog in as {LEAD} (lead) or {ANALYST} (analyst), password {password}", style="bold")
        serve_console(product, port, browser)


def _play(product: Watchfloor, password: str) -> None:
    """What a person does next, played once so that the summary shows it: approve a plan, run it, check the record."""
    from watchfloor.cli.tables import outcome_lines

    pressing = product.desk.queue(disposition="escalate", limit=None)
    plan = next(plan for row in pressing if (plan := product.desk.case_view(row.case.uid).plan))
    approval = product.desk.approve(plan.uid, tuple(a.n for a in plan.actions), LEAD, password)
    outcomes = product.desk.execute(approval.uid)
    say(f"\n{LEAD} approved {plan.title!r} for {plan.case_uid}:", style="bold")
    for line in outcome_lines(plan, outcomes):
        say(line)
    record = product.desk.ledger_state()
    for problem in record.problems:
        say(f"ledger: {problem}", style="bold red")
    if not record.problems:
        say(f"ledger: {record.size} entries, chain and signed tree heads verified", style="bold green")
    say("run `watchfloor demo` for the console")
