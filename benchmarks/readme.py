"""Write the measured tables into README.md and README.zh.md, from the files in benchmarks/results.

    python benchmarks/readme.py

What was not measured is not in the tables. A test compares the READMEs with what this would write.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

from benchmarks.peers import targets  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh.md"}

SYSTEMS = {
    "s1": {
        "en": ("S1: 784–1000–10, 1,000 digits, full-batch gradient descent, α = 0.01, 1,000 epochs", "no figure",
               "accuracy {validation_accuracy:.3f} on 1,000 others (Adam, 10 epochs: {adam_validation_accuracy:.3f})"),
        "zh": ("S1：784–1000–10，1,000 张数字，全批量梯度下降 α = 0.01，1,000 轮", "未给出",
               "另外 1,000 张上准确率 {validation_accuracy:.3f}（Adam 10 轮：{adam_validation_accuracy:.3f}）"),
    },
    "s2": {
        "en": ("S2: word vectors and 1000–1000–10 on 1,000 real headlines in 10 classes", "no figure",
               "accuracy {document:.3f} trained as it says, {adam:.3f} with Adam; naive Bayes on words "
               "{bayes_words:.3f}, on characters and their pairs {bayes_pairs:.3f} (medians of 3 splits)"),
        "zh": ("S2：词向量加 1000–1000–10，1,000 条真实新闻标题，10 类", "未给出",
               "按文档训练准确率 {document:.3f}，改用 Adam {adam:.3f}；朴素贝叶斯：按词 {bayes_words:.3f}，"
               "按单字与相邻两字 {bayes_pairs:.3f}（3 次划分的中位数）"),
    },
    "s3": {
        "en": ("S3: 784–128–10 on the shipped digits (4,000 / 1,000), 20 epochs", "–",
               "accuracy {accuracy:.3f} (median of 3 seeds)"),
        "zh": ("S3：784–128–10，随包数字（4,000 / 1,000），20 轮", "–", "准确率 {accuracy:.3f}（3 个种子的中位数）"),
    },
    "s3 mnist": {
        "en": ("S3: 784–128–10 on MNIST (60,000 / 10,000), batches of 32, 10 epochs", "accuracy 0.98",
               "accuracy {accuracy_mean:.4f} (mean of 3 seeds)"),
        "zh": ("S3：784–128–10，MNIST（60,000 / 10,000），批大小 32，10 轮", "准确率 0.98",
               "准确率 {accuracy_mean:.4f}（3 个种子的均值）"),
    },
    "s5": {
        "en": ("S5: regression 2–10–1, 100 synthetic samples of a noisy plane, 1,000 epochs", "MSE 0.01",
               "MSE {mse:.3f} (least squares {least_squares_mse:.3f}, the mean {mean_mse:.2f})"),
        "zh": ("S5：回归 2–10–1，带噪声平面的 100 个合成样本，1,000 轮", "MSE 0.01",
               "MSE {mse:.3f}（最小二乘 {least_squares_mse:.3f}，均值 {mean_mse:.2f}）"),
    },
    "s5 ames": {
        "en": ("S5 on real prices of houses in Ames, two features", "–",
               "R² {ames_r2:.3f} (least squares {ames_least_squares_r2:.3f}), "
               "MSE {ames_mse:.3f} (the mean {ames_mean_mse:.2f})"),
        "zh": ("S5 用于艾姆斯的真实房价，两个特征", "–",
               "R² {ames_r2:.3f}（最小二乘 {ames_least_squares_r2:.3f}），"
               "MSE {ames_mse:.3f}（均值 {ames_mean_mse:.2f}）"),
    },
    "s6": {
        "en": ("S6: 3–10–10–1, two training points, α = 0.01", "no figure for its 10 epochs",
               "both right after {median:.0f} epochs (median of 100 seeds); within 10 for {within:.0f} of 100"),
        "zh": ("S6：3–10–10–1，两个训练样本，α = 0.01", "训练 10 轮，未给出结果",
               "两个都判对需 {median:.0f} 轮（100 个种子的中位数）；10 轮以内的有 {within:.0f} 个"),
    },
    "s7": {
        "en": ("S7: 100–128–64–1 on random data, 10 epochs", "loss 0.2805, accuracy 0.895: both impossible",
               "validation loss {network_loss:.3f} (always 0.5: {constant_loss:.3f}), accuracy {network_accuracy:.3f}"),
        "zh": ("S7：100–128–64–1，随机数据，10 轮", "损失 0.2805，准确率 0.895：都不可能",
               "验证损失 {network_loss:.3f}（总猜 0.5：{constant_loss:.3f}），准确率 {network_accuracy:.3f}"),
    },
    "s8": {
        "en": ("S8: house prices ŷ = w·x by gradient descent, 14 features of the Ames data", "no figure",
               "R² {r2:.3f} (least squares {least_squares_r2:.3f})"),
        "zh": ("S8：房价 ŷ = w·x，梯度下降，艾姆斯数据的 14 个特征", "未给出",
               "R² {r2:.3f}（最小二乘 {least_squares_r2:.3f}）"),
    },
    "s11": {
        "en": ("S11: a convolutional network of 9,098 parameters on the shipped clothes (4,000 / 1,000), 15 epochs",
               "no figure", "accuracy {convolutional_accuracy:.3f} (784–128–10, 101,770 parameters: "
               "{dense_accuracy:.3f}; linear: {linear_accuracy:.3f}; medians of 3 seeds)"),
        "zh": ("S11：9,098 个参数的卷积网络，随包衣物图像（4,000 / 1,000），15 轮", "未给出",
               "准确率 {convolutional_accuracy:.3f}（784–128–10，101,770 个参数：{dense_accuracy:.3f}；"
               "线性模型：{linear_accuracy:.3f}；3 个种子的中位数）"),
    },
    "gpt": {
        "en": ("GPT: a language model of 3 blocks, trained on the documents' own text", "–",
               "{loss:.2f} nats a character on text it never saw (counting pairs {bigram:.2f}, four characters "
               "{fourgram:.2f})"),
        "zh": ("GPT：3 层的语言模型，用文章自己的文字训练", "–",
               "未见过的文字上每字 {loss:.2f} 纳特（数两字组合 {bigram:.2f}，数四字组合 {fourgram:.2f}）"),
    },
}
"""system: language: what it is, what the document claims, and the measured figures to fill in."""

SAME_RUN = {"s5 ames": "s5"}
"""A second row from the figures of another."""


def systems(language: str) -> list[str]:
    """The table of the documents' systems."""
    results = json.loads((RESULTS / "documents.json").read_text(encoding="utf-8"))
    head = {"en": ["system", "claimed", "measured", "seconds"], "zh": ["系统", "文章声称", "实测", "秒"]}
    rows = []
    for name, texts in SYSTEMS.items():
        entry = results["systems"].get(SAME_RUN.get(name, name))
        if entry is not None:
            what, claim, measured = texts[language]
            seconds = "" if name in SAME_RUN else f"{entry['seconds']:.0f}"
            rows.append([what, claim, measured.format(**_over_seeds(entry["figures"])), seconds])
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


CASES = {
    "one input (tanh)": "一个输入（tanh）",
    "two inputs, one needs a gradient (a · b)": "两个输入，一个需要梯度（a · b）",
    "two inputs, both need one (a · b)": "两个输入，都需要梯度（a · b）",
}


def tape(language: str) -> list[str]:
    """The table of the tape's cost."""
    results = json.loads((RESULTS / "tape.json").read_text(encoding="utf-8"))
    head = {"en": ["µs an op, forward and backward", "bare NumPy", "the tape adds", "PyTorch adds"],
            "zh": ["每个算子前向加反向，微秒", "纯 NumPy", "磁带另需", "PyTorch 另需"]}
    absent = {"en": "not measured", "zh": "未测"}
    rows = [[case if language == "en" else CASES[case], f"{cost['numpy']:.2f}", f"{cost['tape']:.2f}",
             f"{cost['torch']:.2f}" if "torch" in cost else absent[language]]
            for case, cost in results["microseconds_an_op"].items()]
    frames = {"en": f"Between `loss.backward()` and a formula there are {results['frames']} frames.",
              "zh": f"从 `loss.backward()` 到公式之间有 {results['frames']} 层调用。"}
    return [*_table(head[language], rows), "", frames[language] + " " * (language == "en")
            + _measured_on(language, results["machine"])]


VARIANTS = {
    "reviews": {
        "as the document has it": "完全按文档",
        "dropout": "加随机失活",
        "weight decay": "加权重衰减",
        "word vectors": "加预训练字向量",
        "falling rate": "学习率先升后降",
        "all four": "四者都加",
        "all four, and pairs": "四者都加，再加相邻两字",
        "naive Bayes": "朴素贝叶斯",
        "logistic regression": "逻辑回归",
    },
    "dialogues": {
        "characters": "单字",
        "word vectors": "单字，加预训练字向量",
        "characters and pairs": "单字与相邻两字",
        "five networks, characters": "五个网络投票，单字",
        "five networks, characters and pairs": "五个网络投票，单字与相邻两字",
        "naive Bayes": "朴素贝叶斯",
        "logistic regression": "逻辑回归",
    },
}
"""task: variant in benchmarks/s4.py: its name in Chinese; in the order of the table."""


def _s4(task: str, language: str, head: list[str], figures: list[str]) -> list[str]:
    """One row a variant: each figure's median over the seeds, with all of them behind."""
    results = json.loads((RESULTS / "s4.json").read_text(encoding="utf-8"))
    rows = []
    for variant, chinese in VARIANTS[task].items():
        if runs := list(results[task].get(variant, {}).values())[:3]:
            cells = ["–" if figure not in runs[0] else f"{statistics.median(run[figure] for run in runs):.3f}"
                     for figure in figures]
            each = " ".join(f"{run['held_out']:.3f}" for run in runs) if len(runs) > 1 else ""
            rows.append([variant if language == "en" else chinese, *cells, each])
    return [*_table(head, rows), "", _measured_on(language, results["machine"])]


def reviews(language: str) -> list[str]:
    """S4 (a): the document's network on reviews."""
    head = {"en": ["trained on 2,000 reviews", "accuracy on them", "on 1,000 others (median of 3 splits)", "each"],
            "zh": ["用 2,000 条评论训练", "训练集准确率", "另外 1,000 条上（3 次划分的中位数）", "各次"]}
    return _s4("reviews", language, head[language], ["train", "held_out"])


def dialogues(language: str) -> list[str]:
    """S4 (b): the ten intents."""
    head = {"en": ["what is read", "accuracy (median of 3 seeds)", "mean over the intents", "each"],
            "zh": ["读什么", "准确率（3 个种子的中位数）", "各意图的平均", "各次"]}
    return _s4("dialogues", language, head[language], ["held_out", "macro"])


def attention(language: str) -> list[str]:
    """The memory of plain and blocked attention."""
    results = json.loads((RESULTS / "attention.json").read_text(encoding="utf-8"))
    head = {"en": ["length", "plain, MB", "in blocks, MB", "plain, s", "in blocks, s"],
            "zh": ["长度", "普通，MB", "分块，MB", "普通，秒", "分块，秒"]}
    plain, blocked = (results["by_length"][way] for way in ("plain", "blocked"))
    rows = [[f"{int(n):,}", *(f"{way[n]['bytes'] / 1e6:.1f}" for way in (plain, blocked)),
             *(f"{way[n]['seconds']:.3f}" for way in (plain, blocked))] for n in plain]
    grows = {"en": "Bytes grow as the length to the power of {plain} and of {blocked}. ",
             "zh": "内存随长度的 {plain} 次方与 {blocked} 次方增长。"}
    return [*_table(head[language], rows), "",
            grows[language].format(**results["exponents"]) + _measured_on(language, results["machine"])]


def step(language: str) -> list[str]:
    """One training step of S4's network, beside PyTorch's."""
    results = json.loads((RESULTS / "s4_step.json").read_text(encoding="utf-8"))
    head = {"en": ["a training step of S4, milliseconds", "this engine", "PyTorch {}"],
            "zh": ["S4 的一个训练步，毫秒", "本引擎", "PyTorch {}"]}
    what = {"en": "32 texts of 100 characters: forward, backward, Adam", "zh": "32 条 100 字的文本：前向、反向、Adam"}
    found = results["milliseconds"]
    row = [what[language], f"{found['engine']:.0f}", f"{found['pytorch']:.0f}" if "pytorch" in found else "–"]
    names = [name.format(found.get("pytorch_version", "")) for name in head[language]]
    return [*_table(names, [row]), "", _measured_on(language, results["machine"])]

CHECKERS = {
    "ours": ("`gradcheck`, ours", "本项目的 `gradcheck`"),
    "torch-slow": ("PyTorch {torch}, slow", "PyTorch {torch}，slow"),
    "torch-fast": ("PyTorch {torch}, fast", "PyTorch {torch}，fast"),
    "jax": ("JAX {jax}", "JAX {jax}"),
    "autograd": ("HIPS autograd {autograd}", "HIPS autograd {autograd}"),
    "classroom": ("the classroom's loop", "课堂写法"),
}
"""checker in benchmarks/zoo.py: its name in English and in Chinese; in the order of the table."""


def zoo(language: str) -> list[str]:
    """The broken backwards that each checker finds."""
    results = json.loads((RESULTS / "zoo.json").read_text(encoding="utf-8"))
    first = results["held_out_first"]
    ours = results["found"]["ours"] | first["found"]
    halves = {half: [name for name, bug in results["bugs"].items() if half in (bug["half"], "all")]
              for half in ("held-out", "all")}
    counts = {half: len(names) for half, names in halves.items()}
    head = {"en": ["checker", "found of {held-out} held out", "where they show", "found of all {all}",
                   "where they show", "false alarms", "where they show"],
            "zh": ["检验器", "留出的 {held-out} 个中查出", "在错误显露处", "全部 {all} 个中查出", "在错误显露处",
                   "误报", "在错误显露处"]}
    rows = []
    for checker, names in CHECKERS.items():
        found = ours if checker == "ours" else results["found"][checker]
        cells = [_count(found, halves[half], point) for half in halves for point in ("inputs", "showing")]
        name = names[language == "zh"].format(**results["versions"])
        rows.append([name, *cells, *(_count(found, halves["all"], point) for point in ("right", "right showing"))])
    ran = {"en": "Ours on the held-out half is its first run, of {date}. ",
           "zh": "本项目在留出的一半上的分数取自首次运行（{date}）。"}
    return [*_table([cell.format(**counts) for cell in head[language]], rows), "",
            ran[language].format(**first) + _measured_on(language, results["machine"])]


def _count(found: dict[str, dict[str, bool]], names: list[str], point: str) -> str:
    """Of how many bugs a checker says that something is wrong; a dash where it was not asked."""
    asked = [found[name][point] for name in names if point in found[name]]
    return str(sum(map(bool, asked))) if asked else "–"


def gradcheck(language: str) -> list[str]:
    """The time of a gradient check, beside PyTorch's."""
    results = json.loads((RESULTS / "gradcheck.json").read_text(encoding="utf-8"))
    head = {"en": ["a check, milliseconds", "ours", "ours, given inputs only", "PyTorch {}, slow", "PyTorch {}, fast"],
            "zh": ["一次检验，毫秒", "本项目", "本项目，只检验给定的输入", "PyTorch {}，slow", "PyTorch {}，fast"]}
    checks = ("ours", "ours, given inputs only", "pytorch slow", "pytorch fast")
    rows = [[_function(name, language), *(f"{times[check]:.1f}" for check in checks)]
            for name, times in results["milliseconds"].items()]
    names = [cell.format(results["pytorch_version"].partition("+")[0]) for cell in head[language]]
    return [*_table(names, rows), "", _measured_on(language, results["machine"])]


LOSSES = {
    "a loss of two layers": "两层网络的损失",
    "a loss with relu": "带 ReLU 的两层网络的损失",
    "logistic regression": "逻辑回归",
}


def _function(name: str, language: str) -> str:
    return LOSSES.get(name, name) if language == "zh" else name


STEPPER = {
    "document": ("the trace made into steps, ms", "把记录整理成步骤，毫秒", "{:.0f}"),
    "HTML": ("the page's file, KiB", "网页文件，KiB", "{:.0f}"),
    "page ready": ("the page ready, ms", "页面就绪，毫秒", "{:.0f}"),
    "a step of the page": ("a step in the browser, ms", "浏览器中走一步，毫秒", "{:.0f}"),
    "nodes drawn": ("nodes drawn", "画出的节点数", "{:.0f}"),
    "a step of the terminal": ("a step in the terminal, ms", "终端中走一步，毫秒", "{:.0f}"),
}


def stepper(language: str) -> list[str]:
    """The table of what stepping costs, for 121 and for 1,000 ops."""
    results = json.loads((RESULTS / "stepper.json").read_text(encoding="utf-8"))
    figures = results["figures"]
    head = {"en": ["the stepper", "121 ops", "1,001 ops"], "zh": ["单步浏览", "121 个算子", "1,001 个算子"]}
    rows = [[english if language == "en" else chinese,
             *(form.format(figures[f"{name}: {figure}"]) for name in ("mlp30", "blocks250"))]
            for figure, (english, chinese, form) in STEPPER.items()]
    off, on = abs(round(figures["recording off"], 2)), figures["recording on"]
    costs = {"en": f"An op takes {on:.0f} µs longer while a trace is recorded, and {off:.2f} µs while none is, "
                   "against the same engine with the tape cut out.",
             "zh": f"与去掉磁带的同一引擎相比，记录时每个算子多用 {on:.0f} 微秒，不记录时多用 {off:.2f} 微秒。"}
    return [*_table(head[language], rows), "", costs[language] + " " * (language == "en")
            + _measured_on(language, results["machine"])]


PUBLIC_OPS = {
    "softmax": "softmax", "cross-entropy": "交叉熵", "layer norm": "层归一化", "tanh": "tanh", "GELU": "GELU",
    "attention": "注意力", "embedding": "嵌入", "Adam": "Adam",
}
"""An op of benchmarks/against_pytorch.py: its name in Chinese."""


def kernels(language: str) -> list[str]:
    """The table of public ops with Numba's bodies, forward and backward, beside PyTorch's."""
    results = json.loads((RESULTS / "kernels.json").read_text(encoding="utf-8"))
    ops = results["pytorch"]
    torch = ops[0]["version"].partition("+")[0]
    head = {"en": ["forward and backward, one thread", "size", "ours, ms", "in its kernels, ms", f"PyTorch {torch}, ms",
                   "PyTorch / ours"],
            "zh": ["前向加反向，单线程", "大小", "本项目，毫秒", "其中计算核，毫秒", f"PyTorch {torch}，毫秒",
                   "PyTorch / 本项目"]}
    rows = [[op["name"] if language == "en" else PUBLIC_OPS[op["name"]], " × ".join(f"{n:,}" for n in op["size"]),
             *(f"{1000 * op[who]:.3g}" for who in ("ours", "bodies", "torch")), f"{op['ratio']:.2f}"] for op in ops]
    return [*_table(head[language], rows), "", _measured_on(language, results["machine"])]


OURS = {"compiled": ("ours, compiled", "本项目，编译"), "numba": ("ours, Numba", "本项目，Numba"),
        "formulas": ("ours, formulas", "本项目，公式")}
FRAMEWORKS = ("PyTorch", "PyTorch fused", "torch.compile", "JAX jit", "HIPS autograd", "tinygrad", "micrograd")
NETWORKS = {
    "a32": ("a: 784–128–10, batch 32", "a：784–128–10，批大小 32"),
    "a64": ("a: batch 64", "a：批大小 64"),
    "a512": ("a: batch 512", "a：批大小 512"),
    "b": ("b: 784–1000–10, batch 1,000, SGD", "b：784–1000–10，批大小 1,000，SGD"),
    "c": ("c: 2–10–1, batch 100, SGD", "c：2–10–1，批大小 100，SGD"),
    "d": ("d: 100–128–64–1, batch 64", "d：100–128–64–1，批大小 64"),
    "e": ("e: Transformer, 2 blocks of width 128, 32 × 100 tokens", "e：Transformer，2 块，宽 128，32 × 100 个词元"),
    "f": ("f: convolutions, 64 pictures", "f：卷积网络，64 张图"),
    "wide": ("784–2048–2048–10, batch 256", "784–2048–2048–10，批大小 256"),
    "deep": ("Transformer, 4 blocks of width 256, 8 × 128 tokens", "Transformer，4 块，宽 256，8 × 128 个词元"),
}
"""A case of benchmarks/peers/cases.py: what it is, in English and in Chinese."""


def _training() -> dict[str, Any]:
    results: dict[str, Any] = json.loads((RESULTS / "training.json").read_text(encoding="utf-8"))
    facts = results["machine"]
    facts["blas"] = re.sub(r", \d+ threads$", "", facts["blas"])  # each process had a number of its own
    return results


def _steps(rows: list[dict[str, Any]], threads: int, figure: str = "seconds") -> dict[str, dict[str, float]]:
    """{case: {who: seconds a step, or another figure}}."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if "case" in row["of"] and row["of"]["threads"] == threads:
            found.setdefault(row["of"]["case"], {})[row["of"]["peer"]] = row[figure]
    return found


def training(language: str) -> list[str]:
    """A training step, beside other frameworks': a table for each number of threads that was measured."""
    results = _training()
    counts = dict.fromkeys(row["of"]["threads"] for row in results["rows"] if "case" in row["of"])
    tables = [line for threads in counts for line in (*_on(threads, results, language), "")]
    return [*tables, _measured_on(language, results["machine"])]


def _on(threads: int, results: dict[str, Any], language: str) -> list[str]:
    chinese, seconds = language == "zh", _steps(results["rows"], threads)
    there = {name for case in seconds.values() for name in case}
    head = {"en": f"µs a step, {['one thread', 'two threads'][threads - 1]}",
            "zh": f"每步微秒，{['单线程', '双线程'][threads - 1]}"}[language]
    names = [name for name in (*OURS, *FRAMEWORKS) if name in there]
    rows = [[NETWORKS[case][chinese], *(_microseconds(found.get(name)) for name in names)]
            for case, found in seconds.items()]
    return _table([head, *(OURS[name][chinese] if name in OURS else name for name in names)], rows)


def _microseconds(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds * 1e6:.1f}" if seconds < 1e-4 else f"{seconds * 1e6:,.0f}"


VERDICTS = {"a tie": "打平", "slower": "更慢"}
GOALS = (
    ("PyTorch", "PyTorch", [each for each in targets.CHOSEN if each.peers == ("PyTorch",)]),
    ("the faster of fused and torch.compile", "fused 与 torch.compile 中较快者",
     [each for each in targets.CHOSEN if each.peers == targets.FUSED]),
    ("JAX jit", "JAX jit", [each for each in targets.CHOSEN if each.peers == ("JAX jit",)]),
    ("PyTorch, on Intel", "PyTorch，Intel", targets.equal_products()),
    ("PyTorch, Haswell core", "PyTorch，Haswell 核", targets.equal_products("Haswell")),
    ("formulas beside HIPS autograd", "公式与 HIPS autograd", targets.formulas_beside_hips(list(NETWORKS))),
)
"""A column of goals, in English and in Chinese, and its targets."""


def goals(language: str) -> list[str]:
    """The targets, beside what was measured on one thread: a row a case, and one more for the eager engine."""
    results, chinese = _training(), language == "zh"
    seconds = _steps(results["rows"], 1)
    rows: dict[tuple[str, bool], list[str]] = {}
    for column, (*_, kind) in enumerate(GOALS):
        for target in kind:
            if found := target.found(seconds.get(target.case, {})):
                cells = rows.setdefault((target.case, target.ours == "numba"), ["–"] * len(GOALS))
                cells[column] = _goal(found, chinese)
    names = {case: case + ("，即时执行加 Numba" if chinese else ", eager with Numba") for case in NETWORKS}
    head = [{"en": "PyTorch's time ÷ ours, and so on", "zh": "PyTorch 等的用时 ÷ 本项目"}[language],
            *(goal[chinese] for goal in GOALS)]
    order = sorted(rows, key=lambda row: list(NETWORKS).index(row[0]))
    lines = [[names[case] if eager else case, *rows[case, eager]] for case, eager in order]
    return [*_table(head, lines), "", _measured_on(language, results["machine"])]


def _goal(found: targets.Found, chinese: bool) -> str:
    """4.22 ≥ 3.3 where it is met, 0.98 < 2 where it is not, with "a tie" or "slower" where it is one."""
    said = found.said.partition(", ")[2]
    tail = f"{'，' if chinese else ', '}{VERDICTS[said] if chinese else said}" if said else ""
    return f"{found.ratio:.2f} {'≥' if found.met else '<'} {found.target.least:g}{tail}"


def memory(language: str) -> list[str]:
    """Peak memory of a training process, and how long the first steps take."""
    results, chinese = _training(), language == "zh"
    peaks, first = (_steps(results["rows"], 1, figure) for figure in ("total", "first"))
    names = [name for name in (*OURS, *FRAMEWORKS) if name in peaks["e"]]
    head = {"en": ["one thread", "peak memory in a, batch 64, MB", "in e, MB", "the first six steps of e, seconds"],
            "zh": ["单线程", "a（批大小 64）的内存峰值，MB", "e 的内存峰值，MB", "e 的前六步，秒"]}
    rows = [[OURS[name][chinese] if name in OURS else name,
             *(f"{peaks[case][name] / 1e6:.0f}" if name in peaks.get(case, {}) else "–" for case in ("a64", "e")),
             f"{first['e'][name]:.1f}"] for name in names]
    return [*_table(head[language], rows), "", _measured_on(language, results["machine"])]


WAYS = {"as it comes": "默认", "formulas": "公式", "numba": "Numba", "compiled": "编译"}


def startup(language: str) -> list[str]:
    """From the start of a process to its first training steps."""
    results, chinese = json.loads((RESULTS / "startup.json").read_text(encoding="utf-8")), language == "zh"
    head = {"en": ["`train s3`, seconds from its start", "nothing on disk: to the first step", "to ten steps",
                   "compiled before: to the first step", "to ten steps"],
            "zh": ["`train s3`，从启动算起的秒数", "磁盘上无编译结果：到第一步", "到第十步", "已编译过：到第一步",
                   "到第十步"]}
    starts = {(row["of"]["way"], row["of"]["start"]): row for row in results["rows"]}
    rows = [[WAYS[way] if chinese else way, *(f"{starts[way, kind][figure]:.2f}" for kind in ("cold", "warm")
                                              for figure in ("seconds", "steps"))]
            for way in dict.fromkeys(way for way, _ in starts)]
    return [*_table(head[language], rows), "", _measured_on(language, results["machine"])]


TABLES: dict[str, Callable[[str], list[str]]] = {
    "systems": systems, "reviews": reviews, "dialogues": dialogues, "attention": attention, "step": step,
    "tape": tape, "zoo": zoo, "gradcheck": gradcheck, "stepper": stepper, "kernels": kernels,
    "training": training, "goals": goals, "memory": memory, "startup": startup}


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
