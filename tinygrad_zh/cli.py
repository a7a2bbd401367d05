"""The command `tinygrad-zh`, the same as `python -m tinygrad_zh`. 命令行

A command's module is imported only for that command, so that one command does not wait for another's
libraries. Such a module has two functions: `add_arguments(parser)`, and `run(arguments)`, which returns the
exit status.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from typing import Any

from tinygrad_zh._version import __version__
from tinygrad_zh.i18n import LANGUAGES, BilingualHelp, in_language, text, translated_argparse

COMMANDS = {
    "train": "tinygrad_zh.documents.train_command",
    "ask": "tinygrad_zh.documents.ask_command",
    "step": "tinygrad_zh.documents.step_command",
    "unroll": "tinygrad_zh.documents.unroll_command",
    "check": "tinygrad_zh.check.command",
    "formulas": "tinygrad_zh.documents.formulas_command",
    "summary": "tinygrad_zh.documents.summary_command",
    "glossary": "tinygrad_zh.stepper.glossary_command",
    "exercise": "tinygrad_zh.exercises.command",
    "kernels": "tinygrad_zh.kernels.command",
    "bench": "tinygrad_zh.bench.command",
    "warmup": "tinygrad_zh.documents.warmup_command",
    "doctor": "tinygrad_zh.doctor",
}
"""{command: module}; its words are in the catalogue under cli.<command>.help and cli.<command>.examples."""

OK, FAILED, USAGE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141
"""Exit statuses. Wrong usage is argparse's 2; the last two are the shell's 128 + SIGINT and 128 + SIGPIPE."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: this process's) and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        _never_fail_on_a_character(stream)
    requested = _requested_language(words)
    with in_language(requested) if requested else nullcontext():
        try:
            return _run(words)
        except KeyboardInterrupt:
            print("\n" + text("cli.interrupted"), file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:
            # Whoever read us, such as `head`, has enough; what is left must not be flushed at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE_CLOSED
        except (ValueError, OSError, ImportError) as error:
            if os.environ.get("TINYGRAD_ZH_TRACEBACK") == "1":
                raise
            print(text("cli.error", message=_sentence(error)), file=sys.stderr)
            return FAILED


def _run(words: list[str]) -> int:
    try:
        with translated_argparse():
            parser = _parser()
            arguments = parser.parse_args(words)
            if arguments.command is None:
                parser.print_help(sys.stderr)
                return USAGE
        status: int = import_module(COMMANDS[arguments.command]).run(arguments)
        return status
    finally:
        sys.stdout.flush()  # a closed pipe is noticed here, not while the interpreter shuts down


class _Parser(argparse.ArgumentParser):
    """Help in the language in force, no abbreviated options, --lang everywhere."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=BilingualHelp, allow_abbrev=False, **options)
        # SUPPRESS: a command's silence must not overwrite `tinygrad-zh --lang zh <command>`.
        self.add_argument(
            "--lang", choices=LANGUAGES, default=argparse.SUPPRESS, help=text("cli.lang.help")
        )


class _CommandParser(_Parser):
    """The parser of one command; it learns its arguments from the command's module when it is needed."""

    def __init__(self, *, module: str, **options: Any) -> None:
        super().__init__(**options)
        self._module = module

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        import_module(self._module).add_arguments(self)
        if self.get_default("passed_on") is None or "--" not in args:
            return super().parse_known_args(args, namespace)
        # For a command that passes words on; argparse itself would lose those behind an option.
        own = args.index("--")
        namespace, unknown = super().parse_known_args(args[:own], namespace)
        namespace.passed_on = args[own + 1:]
        return namespace, unknown


def _parser() -> _Parser:
    parser = _Parser(
        prog="tinygrad-zh",
        description=text("cli.description"),
        epilog=text("cli.examples", lines=text("cli.start.examples")) + "\n\n" + text("cli.environment"),
    )
    version = f"tinygrad-zh {__version__}"
    parser.add_argument("--version", action="version", version=version, help=text("cli.version.help"))
    commands = parser.add_subparsers(
        dest="command",
        title=text("cli.commands"),
        metavar=text("cli.command"),
        parser_class=_CommandParser,
    )
    for name, module in COMMANDS.items():
        commands.add_parser(
            name,
            module=module,
            help=text(f"cli.{name}.help"),
            description=text(f"cli.{name}.help"),
            epilog=text("cli.examples", lines=text(f"cli.{name}.examples")),
        )
    return parser


def _requested_language(words: list[str]) -> str | None:
    """The language --lang names, found before the parser is built, because the parser speaks it too."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        name, _, value = word.partition("=")
        if name == "--lang" and (value or following) in LANGUAGES:
            return value or following
    return None


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {error.filename}"
    return " ".join(str(error).split()) or type(error).__name__


def _never_fail_on_a_character(stream: Any) -> None:
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")  # a terminal without Chinese shows "?" instead of dying
