"""The entry point: one line for errors, exit code 2, never a traceback for something the user can put right."""

from __future__ import annotations

import errno
import sys
from typing import Annotated

import typer

from fromnoise import __version__
from fromnoise.cli import (
    average,
    convert,
    data,
    distill,
    evaluate,
    film,
    generate,
    identity,
    info,
    inspect,
    restyle,
    sheet,
    story,
    streams,
    studio,
    train,
)
from fromnoise.ground.busy import others_are_busy
from fromnoise.ground.collecting import end_without_collecting
from fromnoise.ground.errors import UserError, one_line, shortened
from fromnoise.training.memory import let_idle_threads_sleep

app = typer.Typer(
    name="fromnoise",
    help="Draw pictures from words, train your own model, and look inside.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(generate.generate)
app.command()(restyle.restyle)
app.command()(sheet.sheet)
app.command()(convert.convert)
app.command()(train.train)
app.command()(distill.distill)
app.command()(average.average)
app.command()(film.film)
app.add_typer(data.app, name="data")
app.command()(evaluate.evaluate)
app.command()(info.info)
app.add_typer(inspect.app, name="inspect")
app.command()(studio.studio)
app.command()(story.story)
app.command()(identity.identity)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"fromnoise {__version__}")
        raise typer.Exit
    if others_are_busy():  # before torch is imported, which every command does when it runs
        let_idle_threads_sleep()


FULL = (errno.ENOSPC, errno.EDQUOT)
WRITING = (*FULL, errno.EIO, errno.EBADF)  # what is wrong with a standard output that cannot be written to

# typer carries its own copy of click since 0.16; this is the base of all its errors in either case.
_USAGE_ERROR: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def main() -> None:
    """Run the command line."""
    streams.hold()
    try:
        code = app(standalone_mode=False) or 0
        sys.stdout.flush()  # a full disk shows here, where it is caught, and not while Python shuts down
        if code == 130:  # newer versions of typer turn Ctrl-C into this
            print("stopped", file=sys.stderr)
        sys.exit(code)
    except UserError as error:
        sys.exit(_complain(str(error)))
    except _USAGE_ERROR as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the whole help page
            error.show()  # type: ignore[attr-defined]
            sys.exit(2)
        sys.exit(_complain(error.format_message()))  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except OSError as error:  # a name that is too long, a full disk, a file that may not be read
        if error.filename is None and error.errno in WRITING:  # what print() writes to
            if error.errno in FULL and streams.is_passed_on(sys.stdout.fileno()):
                sys.exit(_complain(f"a disk is full ({error.strerror}): free some space and run again"))
            streams.to_nowhere(sys.stdout.fileno())
            sys.exit(_complain(f"cannot write to standard output: {error.strerror}"))
        if error.filename is None:
            raise
        sys.exit(_complain(f"{error.filename}: {error.strerror}"))
    finally:
        end_without_collecting()


def _complain(message: str) -> int:
    print(f"fromnoise: {shortened(one_line(message))}", file=sys.stderr)
    return 2
