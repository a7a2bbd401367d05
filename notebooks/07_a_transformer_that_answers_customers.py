# %% [markdown]
# # 07 · A Transformer that answers customers
#
# Somebody writes to a travel service: "电话是多少？", what is the phone number?
# A network is to read the sentence, character by character, and say what is wanted.
# You build it, check it, train it within a minute or so, and then look inside:
# where it looks, what it needs, where it is wrong.
#
# You need notebook 06, attention by hand.
#
# The sentences are turns of CrossWOZ, real Chinese dialogues (Zhu et al., TACL 2020, Apache-2.0). If you have the two
# tables, say where: `TINYGRAD_ZH_DIALOGUES=folder`. Otherwise the corpus is downloaded once.

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

LANGUAGE = "en"
i18n.use_language(LANGUAGE)
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)
plt.rcParams["font.family"] = ["DejaVu Sans", *filter(None, [plot.chinese_font()])]

try:
    train, test = data.dialogues(source=os.environ.get("TINYGRAD_ZH_DIALOGUES"))
except OSError as missing:
    raise SystemExit(f"TINYGRAD_ZH_DIALOGUES: {missing}") from None

# %% [markdown]
# ## The sentences
#
# Each has one of 10 intents. The test sentences are put away: nothing below is chosen or learned from them.

# %%
names = [class_name(name) for name in train.names]  # in the language of this page
print(len(train), len(test))
for label, count in enumerate(np.bincount(train.labels)):
    first = train.texts[np.flatnonzero(train.labels == label)[0]]
    print(f"{count:5}  {i18n.pad(names[label], 34)} {first}")

assert len(train.names) == 10
assert not set(train.texts) & set(test.texts)

# %% [markdown]
# The classes are not of one size. So one number is not enough: we will look at the accuracy over all sentences, and at
# its mean over the classes (macro accuracy), in which a rare intent counts as much as a common one.
#
# ## Characters and ids
#
# A network reads numbers. Each character gets an id, counted on the training sentences alone. 0 is padding, 1 is any
# character that was never seen.

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
# Two questions to the data before any network. Are 48 characters enough for nearly all sentences? And do the test
# sentences use characters that the training ones do not have? At least 9 of 10 sentences fit, and less than 2% of the
# characters are unknown.

# %%
fits = np.mean([len(each) <= LENGTH for each in tokens])
unknown = 1 - vocabulary.coverage(map(text.characters, test.texts))
print(f"{fits:.1%}  {unknown:.1%}")

assert fits >= 9 / 10 and unknown < 0.02

# %% [markdown]
# ## The network
#
# Five steps, and you know them all:
#
# 1. a vector for each character (embedding);
# 2. plus its position, or 06 would be right that "cat eats fish" is "fish eats cat";
# 3. two Transformer blocks: attention with four heads, then a small network for each character by itself;
# 4. the mean over the characters of the sentence, without the padding;
# 5. one score for each intent.

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
# ### Two checks before training
#
# Padding must not matter: a sentence with 2 zeros behind it and the same one with 42 must give the same scores.
#
# And every gradient must be right. A small copy of the network is compared with finite differences.

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
# ## Training
#
# 8 times through all sentences, 32 at a time, with Adam. The part held out here is a tenth of the *training*
# sentences: by it we may choose, by the test set not.

# %%
x_train, x_held, y_train, y_held = data.train_test_split(x, y, test_size=0.1, seed=0, stratify=y)
history = fit(
    model, (x_train, y_train), validation=(x_held, y_held), loss=F.cross_entropy,
    optimizer=optim.Adam(model.parameters(), lr=1e-3), epochs=8, batch_size=32, metrics=[metrics.accuracy],
)
assert len(history["loss"]) == 8
Image.open(plot.loss_curve(history, pictures / "loss.png"))

# %% [markdown]
# ## How good is it?
#
# Now, once, the test sentences. Beside the network stand two that cost nothing: always the most common intent, and
# naive Bayes, which counts how often each character occurs in each intent and knows no order. Accuracy, then macro
# accuracy:

# %%
def figures(name, scores):
    right = metrics.accuracy(scores, y_test), metrics.recall(scores, y_test, average="macro")
    print(f"{name:12} {right[0]:.3f}  {right[1]:.3f}")
    return right


def counts_of(ids):
    return np.stack([(ids == number).sum(axis=1) for number in range(1, len(vocabulary))], axis=1)


seen = np.eye(10)[y].T @ counts_of(x) + 1  # one more of each: nothing is impossible
bayes = counts_of(x_test) @ np.log(seen / seen.sum(axis=1, keepdims=True)).T + np.log(np.bincount(y) / len(y))
most_common = np.tile(np.bincount(y), (len(y_test), 1))
scores = predict(model, x_test)

guessing = figures("most common", most_common)
counting = figures("naive Bayes", bayes)
transformer = figures("Transformer", scores)
assert min(transformer) > 4 / 5 > max(guessing)

# %% [markdown]
# More than 4 of 5 are right, on either measure. The confusion matrix says more: rows are what was meant, columns what
# was read. Its hardest intent is printed above the picture, with what it is taken for most. Is a wish new, or does it
# add to an earlier one? One turn alone often does not tell, and one turn is all the network sees.

# %%
counts = metrics.confusion(scores, y_test, classes=10)
hardest = metrics.recall(scores, y_test, average=None).argmin()
errors = counts[hardest] * (np.arange(10) != hardest)
print(f"{names[hardest]} → {names[errors.argmax()]}")
Image.open(plot.confusion_matrix(counts, names, pictures / "confusion.png"))

# %% [markdown]
# ## Ask it
#
# Write your own sentences here. Softmax turns the scores into probabilities; they say how sure the network is, not how
# right. The last sentence has nothing to do with travel: it must answer all the same, because no intent is called
# "none of these".

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
# ## Where it looks
#
# `nn.attention_maps` keeps the weights of every attention layer. One sentence, two blocks, four heads: eight maps.
# Rows look, columns are looked at, and each row sums to 1.

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
# ## What it needs
#
# A map shows where the network looks. It does not show what the answer depends on. Ask that directly: hide one
# character after the other (make it unknown), and see how far the probability of the answer falls. The darker, the
# more it is needed.

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
# ## Does it read, or only count?
#
# Shuffle the characters of every test sentence. A counter would not notice; a reader must. The accuracy falls, so it
# reads. What it keeps is what single characters give away by themselves; compare it with naive Bayes, which never knew
# an order.

# %%
rng = np.random.default_rng(0)
shuffled = x_test.copy()
for row in shuffled:
    rng.shuffle(row[: (row != 0).sum()])

disordered = figures("shuffled", predict(model, shuffled))
assert (counts_of(shuffled) == counts_of(x_test)).all()
assert disordered[0] < transformer[0]

# %% [markdown]
# ## What it gets wrong
#
# The errors it is surest of. Read them: some are hard, some have two intents, and in some you may side with the
# network.

# %%
p = F.softmax(scores)
wrong = np.flatnonzero(p.argmax(axis=1) != y_test)
for i in wrong[np.argsort(-p[wrong].max(axis=1))][:10]:
    print(f"{p[i].max():4.0%}  {names[y_test[i]]} → {names[p[i].argmax()]}\n      {test.texts[i]}")

# %% [markdown]
# ## Further
#
# `tinygrad-zh train s4 --data dialogues` trains system S4 on the same sentences: this network with finer parts, and a
# baseline beside it;
# `tinygrad-zh ask s4 "附近有什么好吃的？"` asks it.
#
# ## Exercises
#
# Replace each `...` by your answer. ○ means not tried yet, ● means right, and a wrong answer is an error.

# %%
def check(number, mine, right):
    if mine is None:
        print(f"{number} ○")
    else:
        np.testing.assert_allclose(mine, right, rtol=1e-5, atol=1e-6)
        print(f"{number} ●")

# %% [markdown]
# **1.** Macro accuracy from the confusion matrix `counts`, whose rows are the true classes.

# %%
def macro_accuracy(counts):
    ...


check(1, macro_accuracy(counts), transformer[1])

# %% [markdown]
# **2.** The mean over a sentence without its padding: `x` is (n, width), `allowed` is n booleans.

# %%
def mean_pool(x, allowed):
    ...


rows, allowed = rng.standard_normal((5, 3)), np.array([True, True, True, False, False])
check(2, mean_pool(rows, allowed), nn.MeanPool()(rows, allowed))

# %% [markdown]
# **3.** The same backward: what is ∂L/∂x, given dy = ∂L/∂y of shape (width)?

# %%
def mean_pool_backward(dy, x, allowed):
    ...


leaf, dy = tz.tensor(rows, requires_grad=True), np.array([1.0, -2.0, 3.0])
F.sum(nn.MeanPool()(leaf, allowed) * dy).backward()
check(3, mean_pool_backward(dy, rows, allowed), leaf.grad)
