"""Decisions of PyPI `datatrove`'s n-gram decontamination on planted cases, kept in tests/data/decontamination.json.

Here the file is made again and must be what is kept; the C++ test asks our own code about the same cases. Words are
given (texts of words between spaces, single signs and accents), so that both split alike; `same` holds the cases where
the rules are the same, `different` one case for each difference that docs/data.md lists. WRITE_GOLDEN=1 writes it.
"""
import json
import os
import random
import unittest
from pathlib import Path
from unittest import mock

from datatrove.data import Document
from datatrove.pipeline.decont import n_grams
from datatrove.utils.hashing import HashConfig
from datatrove.utils.text import TextNormConfig

SOURCE = Path(os.environ.get("TEST_SOURCE_DIR", Path(__file__).parents[2]))
FILE = SOURCE / "tests/data/decontamination.json"
SYLLABLES = "ba de fi go hu ka le mi no pu ra se ti vo wu ya ze".split()


class Spaces:
    """Words as the texts have them: datatrove's own splitter for English needs spaCy and its models."""
    def word_tokenize(self, text):
        return text.split()


class Datatrove:
    def __init__(self, items, n, numbers=False):
        self.config = n_grams.NGramsDecontConfig(n_grams=n, find_query_ngrams=True, find_overlap_ngrams=True,
                                                 norm_config=TextNormConfig(norm_numbers=numbers),
                                                 hash_config=HashConfig(hash_fc="sha1"))
        with mock.patch.object(n_grams, "load_word_tokenizer", lambda language: Spaces()):
            # The indexer's constructor asks for lighteval, which only its run() needs.
            indexer = object.__new__(n_grams.NGramsDecontIndexer)
            indexer.config, indexer.tokenizer = self.config, Spaces()
            indexer.hash_func = n_grams.create_hash_func(self.config.hash_config)
            self.filter = n_grams.NGramsDecontFilter("unused-index", config=self.config)
        self.filter._index_hashes = {}
        for query, label in items:
            for value in indexer.compute_hashes(label, query):
                self.filter._index_hashes[value] = "set"

    def contaminated(self, text):
        return self.filter.filter(Document(text=text, id="0")) is not True


def words(random_, count):
    return ["".join(random_.choice(SYLLABLES) for _ in range(random_.randint(1, 3))) for _ in range(count)]


def dressed(random_, text_words):
    """The same words in other clothes: capitals, accents, punctuation, white space."""
    result = []
    for word in text_words:
        kind = random_.random()
        if kind < 0.15:
            word = word.capitalize()
        elif kind < 0.2:
            word = word.upper()
        elif kind < 0.3:
            word = word.replace("e", "\u00e9").replace("u", "\u00fc")
        elif kind < 0.35:
            word = word.replace("e", "e\u0301")
        word += random_.choice(["", "", "", "", ",", ".", "!", "?", ";", ":", "\u2026", "\u2014", "\u201d"])
        result.append(random_.choice(["", "", "", "(", "\u201c", "*"]) + word + random_.choice([" ", " ", " ", "  ", "\n", "\t"]))
    return "".join(result).strip()


def same_cases(n, seed):
    random_ = random.Random(seed)
    items = [(" ".join(words(random_, random_.randint(n, 3 * n))), " ".join(words(random_, random_.randint(1, 2 * n))))
             for _ in range(30)]
    peer, documents = Datatrove(items, n), []
    for number in range(150):
        text = words(random_, random_.randint(0, 40))
        if number % 5:
            query, label = random_.choice(items)
            whole = query.split() + label.split()
            length = min(len(whole), random_.randint(n - 3, n + 5))
            at = random_.randint(0, len(whole) - length)
            text += whole[at:at + length]
        text += words(random_, random_.randint(1, 40))
        text = dressed(random_, text)
        documents.append({"text": text, "contaminated": peer.contaminated(text)})
    return {"ngram": n, "items": [f"{query}\n{label}" for query, label in items], "documents": documents}


def different_cases():
    alphabet = "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa".split()
    item = " ".join(alphabet)
    cases = []

    def add(why, query, label, text, numbers=True, n=12):
        cases.append({"why": why, "ngram": n, "item": f"{query}\n{label}", "text": text,
                      "datatrove": Datatrove([(query, label)], n, numbers).contaminated(text)})
    add("numbers: datatrove reads every number as 0", "the sum of 17 apples and 25 pears in a basket of straw is", "42 fruits",
        "the sum of 99 apples and 31 pears in a basket of straw is unknown")
    add("apostrophes: datatrove cuts words at them", item.replace("echo", "don't"), "yes", item.replace("echo", "don t"))
    add("short items: datatrove looks for n words only", "alpha bravo charlie delta echo foxtrot golf hotel", "yes",
        "so alpha bravo charlie delta echo foxtrot golf hotel yes indeed")
    add("decimal numbers: datatrove without number normalisation cuts them", item.replace("echo", "3.14"), "yes",
        item.replace("echo", "3 14"), numbers=False)
    return cases


def golden():
    return {"same": [same_cases(12, 1), same_cases(13, 2), same_cases(5, 3)], "different": different_cases()}


class Decontamination(unittest.TestCase):
    def test_the_kept_decisions_are_datatroves(self):
        made = json.dumps(golden(), ensure_ascii=False, indent=0) + "\n"
        if os.environ.get("WRITE_GOLDEN"):
            FILE.write_text(made, encoding="utf-8")
        self.assertTrue(FILE.read_text(encoding="utf-8") == made, "run again with WRITE_GOLDEN=1 and look at the difference")

    def test_cases_go_both_ways(self):
        for cases in golden()["same"]:
            found = [document["contaminated"] for document in cases["documents"]]
            self.assertGreater(sum(found), 30)
            self.assertGreater(len(found) - sum(found), 30)


if __name__ == "__main__":
    unittest.main()
