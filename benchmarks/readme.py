"""Write the measured tables into README.md and README.zh.md, from the files in benchmarks/results.

    python benchmarks/readme.py

What was not measured is not in the tables. A test compares the READMEs with what this would write.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh.md"}

SYSTEMS = {
    "s1": {
        "en": ("S1 784–1000–10, 1,000 digits, gradient descent α = 0.01, 1,000 epochs", "no figure",
               "accuracy {accuracy:.3f} on 1,000 others"),
        "zh": ("S1 784–1000–10，1,000 张数字，梯度下降 α = 0.01，1,000 轮", "未给出", "另外 1,000 张上准确率 {accuracy:.3f}"),
    },
    "s3": {
        "en": ("S3 784–128–10 on the shipped digits (4,000 / 1,000), 20 epochs", "–",
               "accuracy {accuracy:.3f} (median of 3 seeds)"),
        "zh": ("S3 784–128–10，随包数字（4,000 / 1,000），20 轮", "–", "准确率 {accuracy:.3f}（3 个种子的中位数）"),
    },
    "s3 mnist": {
        "en": ("S3 784–128–10 on MNIST (60,000 / 10,000), 10 epochs, batch 32", "accuracy 0.98",
               "accuracy {accuracy_mean:.4f} (mean of 3 seeds)"),
        "zh": ("S3 784–128–10，MNIST（60,000 / 10,000），10 轮，批大小 32", "准确率 0.98",
               "准确率 {accuracy_mean:.4f}（3 个种子的均值）"),
    },
}
"""system: language: what it is, what the document claims, and the measured figures to fill in."""


def systems(language: str) -> list[str]:
    """The table of the documents' systems."""
    results = json.loads((RESULTS / "documents.json").read_text(encoding="utf-8"))
    head = {"en": ["system", "claimed", "measured", "seconds"], "zh": ["系统", "文章声称", "实测", "秒"]}
    rows = []
    for name, texts in SYSTEMS.items():
        if name in results["systems"]:
            entry = results["systems"][name]
            what, claim, measured = texts[language]
            rows.append([what, claim, measured.format(**_over_seeds(entry["figures"])), f"{entry['seconds']:.0f}"])
    return [*_table(head[language], rows), "", _measured_on(language, results["machine"])]


def _over_seeds(runs: list[dict[str, float]]) -> dict[str, float]:
    """Each figure's median over the seeds, and its mean as <name>_mean."""
    names = runs[0].keys()
    return {name: statistics.median(run[name] for run in runs) for name in names} | {
        f"{name}_mean": statistics.fmean(run[name] for run in runs) for name in names}


def _measured_on(language: str, machine: dict[str, str]) -> str:
    return {"en": "Measured on", "zh": "测量环境："}[language] + " " * (language == "en") + ", ".join(
        [machine["processor"], machine["cores"], f"Python {machine['python'].split()[-1]}", f"NumPy {machine['numpy']}",
         machine["blas"]])


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows]]


TABLES = {"systems": systems}


def filled(readme: str, language: str) -> str:
    """The README with every table made anew."""
    for name, table in TABLES.items():
        pattern = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        readme = re.sub(pattern, lambda m, table=table: m[1] + "\n".join(table(language)) + "\n" + m[2], readme,
                        flags=re.DOTALL)
    return readme


def main() -> None:
    for language, path in READMES.items():
        path.write_text(filled(path.read_text(encoding="utf-8"), language), encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
