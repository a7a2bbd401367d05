# %% [markdown]
# # 07 · 回答顾客的 Transformer
#
# 有人给旅游客服写道：“电话是多少？”网络要一个字一个字地读这句话，说出顾客想要什么。你来搭建、检验，用一分钟左右训练，
# 然后打开来看：它在看哪里，它靠的是什么，它错在哪里。
#
# 需要先读 06《手算注意力》。
#
# 句子来自 CrossWOZ，真实的中文对话（Zhu 等，TACL 2020，Apache-2.0）。如果手头有那两个表格文件，用
# `TINYGRAD_ZH_DIALOGUES=文件夹` 指明位置；否则语料只下载一次。

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import tinygrad_zh as tz
from tinygrad_zh import data, i18n, nn, optim, plot, text
from tinygrad_zh import functional as F
from tinygrad_zh.documents.s4.answering import class_name
from tinygrad_zh.train import fit, metrics, predict

LANGUAGE = "zh"
i18n.use_language(LANGUAGE)
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)
plt.rcParams["font.family"] = ["DejaVu Sans", *filter(None, [plot.chinese_font()])]

try:
    train, test = data.dialogues(source=os.environ.get("TINYGRAD_ZH_DIALOGUES"))
except OSError as missing:
    raise SystemExit(f"TINYGRAD_ZH_DIALOGUES: {missing}") from None

# %% [markdown]
# ## 句子
#
# 每句属于 10 种意图之一。测试集放到一边：下面的任何选择和学习都不用它。

# %%
names = [class_name(name) for name in train.names]  # 用本页的语言
print(len(train), len(test))
for label, count in enumerate(np.bincount(train.labels)):
    first = train.texts[np.flatnonzero(train.labels == label)[0]]
    print(f"{count:5}  {i18n.pad(names[label], 34)} {first}")

assert len(train.names) == 10
assert not set(train.texts) & set(test.texts)

# %% [markdown]
# 各类大小不一。所以一个数不够：既要看全部句子的准确率，也要看它在各类上的平均（宏平均准确率），
# 让少见的意图和常见的一样重要。
#
# ## 字与编号
#
# 网络读的是数。每个字有一个编号，只在训练句子上统计。0 是填充，1 是所有没见过的字。

# %%
LENGTH = 48
tokens = [text.characters(each) for each in train.texts]
vocabulary = text.Vocabulary.build(tokens)
x, y = vocabulary.encode(tokens, LENGTH), train.labels
x_test, y_test = vocabulary.encode(map(text.characters, test.texts), LENGTH), test.labels

example = text.characters("电话是多少？")
print(example, vocabulary.encode([example], 8))
print(vocabulary)

assert vocabulary.PAD == 0 and vocabulary.UNKNOWN == 1

# %% [markdown]
# 在用网络之前，先问数据两个问题。48 个字够不够绝大多数句子？测试句子里有没有训练句子没有的字？
# 至少 9/10 的句子放得下，不认识的字不到 2%。

# %%
fits = np.mean([len(each) <= LENGTH for each in tokens])
unknown = 1 - vocabulary.coverage(map(text.characters, test.texts))
print(f"{fits:.1%}  {unknown:.1%}")

assert fits >= 9 / 10 and unknown < 0.02

# %% [markdown]
# ## 网络
#
# 五步，每一步你都认识：
#
# 1. 每个字一个向量（嵌入）；
# 2. 加上位置，否则就如 06 所说，“猫吃鱼”等于“鱼吃猫”；
# 3. 两个 Transformer 块：四个头的注意力，再加一个对每个字单独作用的小网络；
# 4. 对句中的字取平均，不算填充；
# 5. 每种意图一个分数。

# %%
class Reader(nn.Module):
    def __init__(self, vocabulary, width=64, heads=4, hidden=128, depth=2, intents=10, dropout=0.2):
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.SinusoidalPosition(width)
        self.encoder = nn.Encoder(depth, width, heads, hidden, dropout)
        self.pool = nn.MeanPool()
        self.output = nn.Dense(width, intents)

    def forward(self, tokens):
        allowed = nn.padding_mask(tokens)
        x = self.position(self.embedding(tokens))
        x = self.encoder(x, mask=allowed)
        return self.output(self.pool(x, allowed[:, 0]))


tz.manual_seed(0)
model = Reader(len(vocabulary))
print(model.summary((1, LENGTH), dtype=np.int64))

# %% [markdown]
# ### 训练之前，两项检查
#
# 填充不能有影响：同一句话后面补 2 个零或补 42 个零，分数必须相同。
#
# 每个梯度都必须正确。用一个小号的同样网络与有限差分对照。

# %%
short, long = vocabulary.encode([example], 8), vocabulary.encode([example], 48)
assert ((short == 0).sum(), (long == 0).sum()) == (2, 42)
np.testing.assert_allclose(predict(model, short), predict(model, long), rtol=1e-4, atol=1e-5)

small = Reader(12, width=4, heads=2, hidden=4, dropout=0.0)
some = np.array([[3, 5, 2, 0, 0], [7, 2, 11, 4, 1]])
report = tz.check.check_parameters(lambda: F.cross_entropy(small(some), np.array([3, 9])),
                                   dict(small.named_parameters()))
print(str(report).partition("\n\n")[0])
assert report

# %% [markdown]
# ## 训练
#
# 全部句子过 8 遍，每次 32 句，用 Adam。这里留出的是*训练*句子的十分之一：做选择看它，不看测试集。

# %%
x_train, x_held, y_train, y_held = data.train_test_split(x, y, test_size=0.1, seed=0, stratify=y)
history = fit(
    model, (x_train, y_train), validation=(x_held, y_held), loss=F.cross_entropy,
    optimizer=optim.Adam(model.parameters(), lr=1e-3), epochs=8, batch_size=32, metrics=[metrics.accuracy],
)
assert len(history["loss"]) == 8
Image.open(plot.loss_curve(history, pictures / "loss.png"))

# %% [markdown]
# ## 它有多好？
#
# 现在用测试句子，只用一次。旁边放两个几乎不花力气的办法：总猜最常见的意图；
# 以及朴素贝叶斯，只数每个字在每种意图里出现多少次，不管顺序。依次是准确率、宏平均准确率：

# %%
def figures(name, scores):
    right = metrics.accuracy(scores, y_test), metrics.recall(scores, y_test, average="macro")
    print(f"{name:12} {right[0]:.3f}  {right[1]:.3f}")
    return right


def counts_of(ids):
    return np.stack([(ids == number).sum(axis=1) for number in range(1, len(vocabulary))], axis=1)


seen = np.eye(10)[y].T @ counts_of(x) + 1  # 每个多算一次：没有什么是不可能的
bayes = counts_of(x_test) @ np.log(seen / seen.sum(axis=1, keepdims=True)).T + np.log(np.bincount(y) / len(y))
most_common = np.tile(np.bincount(y), (len(y_test), 1))
scores = predict(model, x_test)

guessing = figures("most common", most_common)
counting = figures("naive Bayes", bayes)
transformer = figures("Transformer", scores)
assert min(transformer) > 4 / 5 > max(guessing)

# %% [markdown]
# 两种算法都有 4/5 以上是对的。混淆矩阵说得更多：行是顾客的意思，列是网络的理解。
# 图上方印出了最难的意图，以及它最常被当成什么。一个愿望是新提的，还是补充前面的？
# 单看一句话往往分不清，而网络看到的只有一句。

# %%
counts = metrics.confusion(scores, y_test, classes=10)
hardest = metrics.recall(scores, y_test, average=None).argmin()
errors = counts[hardest] * (np.arange(10) != hardest)
print(f"{names[hardest]} → {names[errors.argmax()]}")
Image.open(plot.confusion_matrix(counts, names, pictures / "confusion.png"))

# %% [markdown]
# ## 问问它
#
# 在这里写你自己的句子。softmax 把分数变成概率：它说的是网络有多肯定，不是有多正确。
# 最后一句与旅游无关，网络也只好回答，因为没有一种意图叫“都不是”。

# %%
def ask(sentence):
    ids = vocabulary.encode([text.characters(sentence)], LENGTH)
    return F.softmax(predict(model, ids))[0]


for sentence in ["你好，请问电话是多少？", "附近有什么好吃的？", "谢谢你，再见！", "几点关门？", "今天的股票涨了吗？"]:
    p = ask(sentence)
    best = np.argsort(-p)[:2]
    print(f"{i18n.pad(sentence, 24)}", "   ".join(f"{p[label]:4.0%} {names[label]}" for label in best))

assert train.names[ask("你好，请问电话是多少？").argmax()] == "问电话"
assert train.names[ask("谢谢你，再见！").argmax()] == "致谢"

# %% [markdown]
# ## 它在看哪里
#
# `nn.attention_maps` 记下每个注意力层的权重。一句话，两个块，四个头：八张图。行在看，列被看，每行的和是 1。

# %%
sentence = "你好，请问电话是多少？"
characters = text.characters(sentence)
with nn.attention_maps(model) as maps:
    predict(model, vocabulary.encode([characters], len(characters)))

first, second = maps.values()
assert first.shape == second.shape == (1, 4, len(characters), len(characters))
np.testing.assert_allclose(second.sum(axis=-1), 1, rtol=1e-5)
print(list(maps))
Image.open(plot.attention_map(first[0], characters, pictures / "block-1.png"))

# %%
Image.open(plot.attention_map(second[0], characters, pictures / "block-2.png"))

# %% [markdown]
# ## 它靠的是什么
#
# 注意力图说明网络在看哪里，并不说明答案取决于什么。直接问：把字一个一个遮住（变成不认识的字），看答案的概率掉多少。
# 颜色越深，越少不了它。

# %%
ids = vocabulary.encode([characters], len(characters))
hidden = np.where(np.eye(len(characters), dtype=bool), vocabulary.UNKNOWN, ids)
answer = ask(sentence).argmax()
fall = ask(sentence)[answer] - F.softmax(predict(model, hidden))[:, answer]
for character, each in zip(characters, fall, strict=True):
    print(f"{character}  {each:+.3f}")

assert len(hidden) == len(characters) and ((hidden != ids).sum(axis=1) == 1).all()
Image.open(plot.attention_over_text(np.maximum(fall, 0), characters, pictures / "needed.png",
                                    title=f"Δp({names[answer]})"))

# %% [markdown]
# ## 它在读，还是只在数？
#
# 把每个测试句子里的字打乱。只会数的看不出来，会读的一定受影响。准确率下降了，所以它在读。
# 剩下的，是单个的字本身透露的东西；可以与从来不知道顺序的朴素贝叶斯相比。

# %%
rng = np.random.default_rng(0)
shuffled = x_test.copy()
for row in shuffled:
    rng.shuffle(row[: (row != 0).sum()])

disordered = figures("shuffled", predict(model, shuffled))
assert (counts_of(shuffled) == counts_of(x_test)).all()
assert disordered[0] < transformer[0]

# %% [markdown]
# ## 它错在哪里
#
# 它最有把握的错误。读一读：有些确实难，有些有两种意图，还有些，你也许会站在网络一边。

# %%
p = F.softmax(scores)
wrong = np.flatnonzero(p.argmax(axis=1) != y_test)
for i in wrong[np.argsort(-p[wrong].max(axis=1))][:10]:
    print(f"{p[i].max():4.0%}  {names[y_test[i]]} → {names[p[i].argmax()]}\n      {test.texts[i]}")

# %% [markdown]
# ## 更进一步
#
# `tinygrad-zh train s4 --data dialogues` 在同样的句子上训练系统 S4：部件更讲究的同类网络，旁边印出基线；
# `tinygrad-zh ask s4 "附近有什么好吃的？"` 可以向它提问。
#
# ## 练习
#
# 把每个 `...` 换成你的答案。○ 表示还没有做，● 表示正确，答错会报错。

# %%
def check(number, mine, right):
    if mine is None:
        print(f"{number} ○")
    else:
        np.testing.assert_allclose(mine, right, rtol=1e-5, atol=1e-6)
        print(f"{number} ●")

# %% [markdown]
# **1.** 由混淆矩阵 `counts` 求宏平均准确率，它的行是真实类别。

# %%
def macro_accuracy(counts):
    ...


check(1, macro_accuracy(counts), transformer[1])

# %% [markdown]
# **2.** 对一个句子求平均，不算填充：`x` 是 (n, width)，`allowed` 是 n 个布尔值。

# %%
def mean_pool(x, allowed):
    ...


rows, allowed = rng.standard_normal((5, 3)), np.array([True, True, True, False, False])
check(2, mean_pool(rows, allowed), nn.MeanPool()(rows, allowed))

# %% [markdown]
# **3.** 同样一步的反向：给定 dy = ∂L/∂y，形状 (width)，∂L/∂x 是什么？

# %%
def mean_pool_backward(dy, x, allowed):
    ...


leaf, dy = tz.tensor(rows, requires_grad=True), np.array([1.0, -2.0, 3.0])
F.sum(nn.MeanPool()(leaf, allowed) * dy).backward()
check(3, mean_pool_backward(dy, rows, allowed), leaf.grad)
