"""Texts for comparing cleaning rules: those of ../shared/data, and made ones that meet each threshold from both sides."""

import csv
import json
import random

WORDS = ("river mountain morning teacher window garden paper doctor market bridge engine water letter summer winter "
         "country village picture history science question answer number station evening kitchen island planet forest "
         "machine theory language music painter soldier captain harbor castle library student lesson animal weather "
         "distance reason measure silver copper golden simple narrow gentle bright heavy little common distant early "
         "carry build follow travel gather produce discover listen improve contain describe explain consider").split()
STOP = ["the", "be", "to", "of", "and", "that", "have", "with"]
EVIL = list(" \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u3000\u200b\ufeff\u180e") + [
    "\r\n", "...", "\u2026", "....", "#", "-", "\u2022", "*", "[1]", "[12]", "[]", "[edit]", "[citation needed]", "[\u0661]",
    "[1", "]", "{", "}", "\u212aing", "coo\u212aie policy", "JAVASCR\u0130PT", "javaScript", "Lorem Ipsum", "use cookies",
    "USE OF COOKIES", "privacy policy", "terms of use", "uses cookies", ".", "?", "!", '"', "'", "\u3002", "\uff1f",
    "\u0964", "\u203d", "\U00016e98", "\u4f60\u597d", "\ud55c\uad6d\uc5b4", "\u0300", "e\u0301", "\u00b2", "\u216b", "\u2160",
    "\u0663", "\U0001d400", "\U0001f600", "\ufb01", "_", "@", "$", "%", "\uff11", "\u2501", "\u25ba", "the", "be", "to",
    "of", "and", "that", "have", "with", "The", "x" * 1000, "x" * 1001, "\u00e9" * 1000, "\u00e9" * 1001]


def shared_texts(folder):
    """(name, text) of every document that lies beside the checkout."""
    texts = []

    def read(name):
        return (folder / name).read_text(encoding="utf-8")

    for line in read("text/c4_demo.jsonl").splitlines():
        texts.append(("c4_demo", json.loads(line)["text"]))
    for block in read("text/wiki_demo.txt").split("\n"):
        if block.strip():
            texts.append(("wiki_demo", block))
    play = read("text/tiny_shakespeare.txt")
    for at in range(0, len(play), 8000):
        texts.append(("tiny_shakespeare", play[at:at + 8000]))
    for row in json.loads(read("instruct/alpaca_en_demo.json")):
        texts.append(("alpaca", row["output"]))
    for row in json.loads(read("medical/pubmedqa_ori_pqal.json")).values():
        texts.append(("pubmedqa", "\n".join(row["CONTEXTS"])))
    rows = [row[1] for row in csv.reader(read("korean/ChatbotData.csv").splitlines())][1:]
    for at in range(0, len(rows), 40):
        texts.append(("korean", "\n".join(rows[at:at + 40])))
        texts.append(("korean", " ".join(rows[at:at + 40])))
    return texts


class Maker:
    def __init__(self, seed=7):
        self.random = random.Random(seed)

    def words(self, count, pool=WORDS):
        return [self.random.choice(pool) for _ in range(count)]

    def sentence(self, count=12):
        words = self.words(count)
        words[2], words[5] = self.random.choice(STOP), self.random.choice(STOP)
        return " ".join(words).capitalize() + "."

    def lines(self, count, words=12):
        return [self.sentence(words) for _ in range(count)]

    def quality(self):
        yield from (" ".join(["the", "of"] + self.words(n - 2)) for n in range(46, 55))
        for k in range(0, 100, 4):
            yield " ".join(["to", "be"] * 25 + ["of", "a"] * (50 - k // 2) + self.words(k // 4, ["abcd"]))
            yield " ".join(["the", "of"] + ["abcdefghij"] * 60 + ["abcdefghijklmnop"] * (k // 4))
            base = " ".join(["the", "of"] + self.words(98))
            for mark in ("#", "...", "\u2026", "\u2022", "12", "--"):
                yield base + (" " + mark) * (k // 2)
            yield base + " " + "#" * (k // 2)
        for k in range(0, 21):
            lines = self.lines(20)
            for bullet in ("- ", "\u2022", "  -", "\u3000\u2022 ", "* "):
                yield "\n".join((bullet if i < k else "") + line for i, line in enumerate(lines))
            for end in ("...", "\u2026", "... ", "....", "\u2026\x1f"):
                yield "\r\n".join(line[:-1] + (end if i < k else ".") for i, line in enumerate(lines))
        for k in range(9):
            for chosen in (STOP[:k], [STOP[0]] * k, [w.upper() for w in STOP[:k]]):
                yield " ".join(self.words(60) + chosen)

    def long(self):
        yield from (" ".join(["the", "of"] + self.words(n - 2)) for n in (99999, 100000, 100001))

    def repetition(self):
        for k in range(0, 21):
            lines = self.lines(20)
            lines[20 - k:] = [lines[0]] * k
            yield "\n".join(lines)
            yield "\n\n".join(lines)
            yield "\n\n\n" + "\n \n".join(lines) + "\n"
            short = [line[:4] for line in lines]
            yield "\n".join(short + self.lines(6, 40))
            yield "\n\n".join(lines[:10] + short + self.lines(4, 30))
        for n in range(2, 5):
            for k in range(0, 60, 2):
                gram = " ".join(self.words(n))
                rest = self.words(120)
                for i in range(k):
                    rest.insert(self.random.randrange(len(rest)), gram)
                yield " ".join(rest)
        for n in range(5, 12):
            for k in range(0, 16):
                gram = " ".join(self.words(n))
                rest = self.words(260, [w + str(i) for w in WORDS for i in range(40)])
                for i in range(k):
                    rest.insert(self.random.randrange(len(rest)), gram)
                yield " ".join(rest)
        yield from ("", "a", "a b", "a b c", "ab c d a bc d e a b cd", "x " * 30, "\n", "\n\n\n", "a\n\na", "aa a a aa a aa")
        # The same letters, other words.
        yield " ".join((["abc", "de", "f"] + ["ab", "cde", "f"] + ["a", "bc", "def"]) * 8)

    def c4(self):
        page = self.lines(12)
        for k in range(0, 8):
            yield "\n".join(page[:k])
            yield " ".join(page[:k])
            yield "\n".join(" ".join(self.words(k)) + "." for _ in range(8)) + "\n" + "\n".join(page[:3])
        for length in (998, 999, 1000, 1001):
            for letter in "x\u00e9\ud55c":
                yield "\n".join(page + [letter * (length - 1) + ". the river and"])
                yield "\n".join(page + ["some words [" + "1" * (length - 2) + "]"])
        for line in EVIL + ["A [1]", "one two three [12].", "one two three. [1]", "one two three.[1]", "[1] [2] [3]",
                            "one two [edit]three.", "[[1]] one two three.", "[\u0661\u0662] one two three.",
                            "one two three...", "one two three....", "one two three\u2026", "one two three.'",
                            "one two three\u201d", "We use javascript here.", "JavaScript it is, then.", "Loremipsum is it.",
                            "this is LOREM  IPSUM text.", "this is lorem ipsum text.", "{ one two three.", "one {two} three."]:
            yield "\n".join(page[:6] + [line] + page[6:])
            yield "\n".join(page[:6] + ["so it is " + line + " here."] + page[6:])
            yield "\n".join([line] * 3)

    def fineweb(self):
        for k in range(0, 26):
            for end in (".", "?", "\u3002", "\u203d", " .", ". ", "\u0964", "\U00016e98", "\u2026"):
                yield "\n".join(line[:-1] + (end if i < k else "") for i, line in enumerate(self.lines(25)))
            for length in (29, 30, 31):
                yield "\n".join([("word " * 20)[:length - 1 - i % 2] + "." for i in range(k)] + self.lines(25 - k))
            lines = self.lines(40, 20)
            lines.insert(5, lines[3][:k * 3])
            lines.insert(9, lines[5])
            yield "\n".join(lines)
            yield "\n".join(self.lines(10)) + "\n" * (k * 3) + "end of it."

    def noise(self, count, shared):
        for _ in range(count):
            parts = []
            for _ in range(self.random.randint(1, 200)):
                kind = self.random.random()
                parts.append(self.random.choice(WORDS) if kind < 0.5 else " " if kind < 0.7 else self.random.choice(EVIL)
                             if kind < 0.97 else chr(self.random.choice((0x2000, 0x10000, 0x20000)) +
                                                     self.random.randrange(0x7ff)))
            yield "".join(parts)
        for _ in range(count if shared else 0):
            text = self.random.choice(shared)[1][:6000]
            lines = text.split("\n") if "\n" in text else text.split(". ")
            for _ in range(self.random.randint(1, 6)):
                at = self.random.randrange(len(lines) + 1)
                lines[at:at] = self.random.choice(([self.random.choice(EVIL)], lines[:self.random.randint(1, 9)],
                                                   [self.random.choice(lines or ["x"])] * self.random.randint(1, 4)))
            yield self.random.choice(("\n", " ", ". \n", "\n\n")).join(lines)

    def all(self, shared):
        for name in ("long", "quality", "repetition", "c4", "fineweb"):
            for text in getattr(self, name)():
                yield "edge:" + name, text
        for text in self.noise(600, shared):
            yield "noise", text
