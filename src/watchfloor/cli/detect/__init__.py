"""`watchfloor detect`: events to findings, and the engineering of the rules that do it."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from watchfloor.cli.detect import anomalies, check, find, look, suppress, versions

PLAIN = "run"


class _PlainFirst(TyperGroup):
    """A group whose command `run` need not be named: `watchfloor detect logs/` is `watchfloor detect run logs/`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self._named(ctx, args))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        return super().resolve_command(ctx, self._named(ctx, args))

    def _named(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] in self.commands or args[0] in ctx.help_option_names:
            return args
        return [PLAIN, *args]


app = typer.Typer(
    cls=_PlainFirst,
    help="Events to findings, and what makes detections good: lint, test, backtest, noise, suppressions, versions.\n\n"
    "`watchfloor detect PATH...` is `watchfloor detect run PATH...`; its options are listed there. A file or folder "
    "that is called like a command is reached as `./test`.\n\n"
    "Example: `watchfloor detect logs/ --rules sigma/rules --format jsonl`",
    no_args_is_help=True,
)
app.command(PLAIN)(find.run)
app.command()(check.lint)
app.command("test")(check.trial)
app.command()(look.backtest)
app.command()(look.noise)
app.command()(look.coverage)
app.add_typer(suppress.app, name="suppress")
app.command()(versions.reload)
app.command()(versions.history)
app.add_typer(anomalies.app, name="anomalies")
