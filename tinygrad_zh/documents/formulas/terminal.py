"""The formulas on the terminal: all of them in a list, one with all there is to say, every finding of the checks."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import indent

from tinygrad_zh.documents.formulas.finding import Finding
from tinygrad_zh.documents.formulas.row import Formula
from tinygrad_zh.documents.report import say
from tinygrad_zh.i18n import display_width, pad, text, wrap

WIDTH = 80
VERDICTS = ("exact", "erratum", "named")


def verdict(row: Formula) -> str:
    """Exact, erratum or named, in the language in force."""
    return text(f"formulas.verdict.{row.verdict}")


def mark(held: bool) -> str:
    return "✓" if held else "✗"


def print_list(rows: Iterable[Formula], latex: bool = False) -> None:
    """A line a formula, with what the live check says now."""
    widest = max(display_width(text(f"formulas.verdict.{name}")) for name in VERDICTS)
    for row in rows:
        print(f"{row.id} {mark(all(row.findings()))} {pad(verdict(row), widest)}  "
              f"{row.latex if latex else row.formula}  ({', '.join(row.places)})", flush=True)
    say("formulas.list.more")


def print_checks(rows: Iterable[Formula]) -> int:
    """Every finding of every formula; how many do not hold."""
    failed = total = 0
    for row in rows:
        findings = row.findings()
        print(f"{row.id} {mark(all(findings))} {verdict(row)}  {row.formula}")
        _print_findings(findings)
        total += len(findings)
        failed += sum(not finding for finding in findings)
    print()
    say("formulas.check.failed" if failed else "formulas.check.passed", total=total, failed=failed)
    return failed


def print_row(row: Formula, latex: bool = False) -> None:
    """Both versions, what is wrong, our lines, and the live check with what the gradient check reports."""
    print(f"{row.id}  {verdict(row)}  ({', '.join(row.places)})\n")
    versions = [("named" if row.verdict == "named" else "printed", row.formula, row.latex)]
    if row.corrected:
        versions.append(("corrected", row.corrected, row.corrected_latex))
    for name, formula, tex in versions:
        print(text(f"formulas.{name}"))
        print(indent("\n".join([formula, tex] if latex else [formula]), "  "))
    print("\n" + "\n".join(wrap(row.words, WIDTH)))
    print("\n" + text("formulas.code"))
    for line in row.lines:
        print(f"  {line.place}\n    {line.code}")
    print("\n" + text("formulas.now"))
    findings = row.findings()
    _print_findings(findings)
    for finding in findings:
        if finding.report is not None and not finding.report:
            print(f"\n{finding.report}")


def _print_findings(findings: Iterable[Finding]) -> None:
    for finding in findings:
        first, *others = wrap(str(finding), WIDTH - 4)
        print("\n".join([f"  {mark(bool(finding))} {first}", *(f"    {line}" for line in others)]))
