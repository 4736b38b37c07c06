"""`watchfloor mapping`: how records of a product become events; start one, test it, list them."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from watchfloor.cli.named import existing
from watchfloor.cli.options import NONE, Mappings, OutputFormat, Paths
from watchfloor.cli.output import lines, put, say, wrapped
from watchfloor.core.errors import WatchfloorError

SAMPLES = 200

app = typer.Typer(help="Mappings of records to events: new, test, list.", no_args_is_help=True)


@app.command()
def new(
    samples: Paths,
    name: Annotated[str, typer.Option(help="The mapping's name; by default that of the first file.")] = "",
) -> None:
    """Start a mapping from sample records of one kind: its YAML, with a test, goes to stdout.

    Example: `watchfloor mapping new door.jsonl --name door_system > door_system.yaml`
    """
    from watchfloor.core.record import Record
    from watchfloor.ingest import Normalizer, records
    from watchfloor.ingest.normalizer import BASE
    from watchfloor.ingest.propose import propose

    name = name or re.sub(r"\W+", "_", samples[0].name.partition(".")[0]).strip("_").lower() or "new"
    found = [item for item in islice(records(samples, "default"), SAMPLES) if isinstance(item, Record)]
    put(propose(found, name).rstrip())
    say(f"made from {len(found)} records: look at `when`, the class and each field, and put other names into the test")
    if (known := Normalizer.shipped().explain(found[0]).mapping) != BASE:
        say(f"note: the mapping {known} takes such records now; before it, yours will", "yellow")


@app.command()
def test(
    files: Annotated[
        list[Path], typer.Argument(callback=existing, help="Files and folders of mappings.", show_default=False)
    ],
) -> None:
    """Run the tests inside mapping files, beside the mappings that come with Watchfloor.

    Example: `watchfloor mapping test door_system.yaml`
    """
    from watchfloor.ingest import Normalizer
    from watchfloor.ingest.mappings import load
    from watchfloor.ingest.trial import trials

    normalizer = Normalizer.shipped(*files)
    run = failed = 0
    for mapping in [m for file in files for m in load(file)]:
        if not mapping.tests:
            failed += 1
            put(f"{mapping.where}: {mapping.name} has no tests", "yellow")
        for trial in trials(mapping, normalizer):
            run += 1
            failed += bool(trial.failures)
            for failure in trial.failures:
                put(f"{mapping.where}: {trial.name}: {failure}", "yellow")
    if failed:
        raise WatchfloorError(f"{failed:,} of {run:,} tests failed", do="Mend the mapping or what its test expects")
    say(f"{run:,} tests passed")


@app.command("list")
def list_(mappings: Mappings = NONE, format: OutputFormat = "text") -> None:
    """The mappings, in the order in which records are offered to them, with the OCSF classes they make.

    Example: `watchfloor mapping list`
    """
    from watchfloor.ingest import Normalizer

    found = Normalizer.shipped(*mappings).mappings
    classes = {m.name: sorted({kind.ocsf_class.caption for kind in m.kinds}) for m in found}
    if format == "jsonl":
        lines(
            {"mapping": m.name, "rank": m.rank, "shape": m.shape, "classes": classes[m.name], "file": m.where}
            for m in found
        )
        return
    for m in found:
        put(wrapped(", ".join(classes[m.name]), f"{m.rank:>3} {m.name:<24} {m.shape:<8} ", " " * 38))
