"""Texts for the tokenizer bench: real ones of ../shared/data, and long ones made from them that do not repeat.

A copy of a text has no new words, so that a cache of words would swallow all of it but the first copy. Running text does
repeat its frequent words and brings rare words ever anew; the long texts keep exactly that: in each copy of the corpus the
frequent words stay, every rarer word becomes another one, the same within the copy, made of letters of the same kind in
the same places (vowel for vowel, consonant for consonant, digit for digit, syllable of the corpus for syllable), and the
documents come in another order. `distinct_share` says how many of a text's words are new when they come."""
import csv
import hashlib
import json
import random
import re
from collections import Counter
from pathlib import Path

FREQUENT = {"en": 3000, "ko": 2000}  # words that every copy keeps
WORD = {"en": re.compile(r"[A-Za-z]+|[0-9]+"), "ko": re.compile(r"[\uac00-\ud7a3]+|[A-Za-z]+|[0-9]+")}
CLASSES = ["aeiou", "bcdfghjklmnpqrstvwxyz", "AEIOU", "BCDFGHJKLMNPQRSTVWXYZ", "0123456789"]
DOCUMENT = 2000  # characters


def english(shared):
    texts = [(shared / "text/wiki_demo.txt").read_text(), (shared / "text/tiny_shakespeare.txt").read_text()]
    texts += [json.loads(line)["text"] for line in (shared / "text/c4_demo.jsonl").read_text().splitlines()]
    for row in json.loads((shared / "instruct/alpaca_en_demo.json").read_text()):
        texts.append("\n".join(row[key] for key in ("instruction", "input", "output")))
    for row in json.loads((shared / "medical/pubmedqa_ori_pqal.json").read_text()).values():
        texts.append("\n".join([row["QUESTION"], *row["CONTEXTS"], row["LONG_ANSWER"]]))
    return texts


def korean(shared):
    rows = list(csv.reader((shared / "korean/ChatbotData.csv").open(encoding="utf-8")))[1:]
    return ["\n".join(f"{question} {answer}" for question, answer, *_ in rows)]


def documents(texts):
    joined = "\n\n".join(texts)
    return [joined[at:at + DOCUMENT] for at in range(0, len(joined), DOCUMENT)]


def real(language, shared):
    return documents((english if language == "en" else korean)(Path(shared)))


class Rewriter:
    """One copy's words for the corpus's words."""

    def __init__(self, language, corpus, frequent):
        self.pattern = WORD[language]
        counts = Counter(word for document in corpus for word in self.pattern.findall(document))
        self.kept = {word for word, _ in counts.most_common(frequent)}
        letters = Counter(c for word, n in counts.items() for c in word * min(n, 3))
        syllables = "".join(c for c in letters if "\uac00" <= c <= "\ud7a3")
        self.same_kind = {}  # letter -> letters of its kind, each as often as the corpus has it
        for kind in [*CLASSES, syllables]:
            scale = max(sum(letters[c] for c in kind), 1) / 20_000
            drawn = "".join(c * max(round(letters[c] / scale), 1) for c in sorted(kind))
            self.same_kind.update(dict.fromkeys(kind, drawn))
        self.made = {}

    def word(self, word, copy):
        if copy == 0 or word in self.kept:
            return word
        made = self.made.get(word)
        if made is None:
            digest = hashlib.blake2b(f"{copy} {word}".encode(), digest_size=16).digest()
            rng = random.Random(digest)
            made = self.made[word] = "".join(rng.choice(self.same_kind.get(c, c)) for c in word)
        return made

    def copy_of(self, corpus, copy):
        self.made = {}
        order = list(range(len(corpus)))
        random.Random(copy).shuffle(order)
        for index in order:
            yield self.pattern.sub(lambda match: self.word(match.group(), copy), corpus[index])


def made(language, shared, size, frequent=None):
    """Documents of at least `size` bytes together."""
    corpus = real(language, shared)
    rewriter = Rewriter(language, corpus, FREQUENT[language] if frequent is None else frequent)
    result, total, copy = [], 0, 0
    while total < size:
        for document in rewriter.copy_of(corpus, copy):
            result.append(document)
            total += len(document.encode())
            if total >= size:
                break
        copy += 1
    return result


def distinct_share(docs):
    """New words among all words (runs between white space)."""
    seen, words = set(), 0
    for document in docs:
        parts = document.split()
        words += len(parts)
        seen.update(parts)
    return len(seen) / max(words, 1)
