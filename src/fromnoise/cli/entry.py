"""The entry point: one line for errors, exit code 2, never a traceback for something the user can put right."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from fromnoise import __version__
from fromnoise.cli import data, evaluate, generate, info, sheet, train
from fromnoise.errors import UserError

app = typer.Typer(
    name="fromnoise",
    help="Draw pictures from words, train your own model, and look inside.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(generate.generate)
app.command()(sheet.sheet)
app.command()(train.train)
app.add_typer(data.app, name="data")
app.command()(evaluate.evaluate)
app.command()(info.info)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"fromnoise {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    # Idle OpenMP threads that spin would slow down everything beside them; read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app(standalone_mode=True)
    except UserError as error:
        sys.exit(_complain(error))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _complain(error: UserError) -> int:
    print("fromnoise: " + " ".join(str(error).split()), file=sys.stderr)
    return 2
