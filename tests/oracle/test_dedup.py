"""Deduplication against PyPI `datatrove`: the same words of the same texts, the same survivors where chance has no say.

TEST_DEDUP names the built driver (default: the release preset's); files of ../shared are used where they are. datatrove's
words are its simplified text split at white space: its own splitter for English needs spaCy and its models.
"""
import contextlib
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unicodedata
import unittest

import regex
from datatrove.utils.text import PUNCTUATION, simplify_text

SOURCE = pathlib.Path(os.environ.get("TEST_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
SHARED = SOURCE.parent / "shared"
sys.path.insert(0, str(SOURCE / "scripts" / "bench.d"))
import dedup as bench  # noqa: E402
import tokenizer_texts  # noqa: E402


def driver_file():
    if "TEST_DEDUP" in os.environ:
        return os.environ["TEST_DEDUP"]
    built = pathlib.Path(os.environ.get("TEST_PLUMB", SOURCE / "build/release/trainer/plumb")).parents[1]
    return str(built / "tests/data/plumb_dedup_driver")


def driver(*words, texts):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    done = subprocess.run([driver_file(), *map(str, words)], input=lines.encode(), capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr.decode()}")
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def peer_words(text):
    return simplify_text(text).split()


# Where our rules are wider than datatrove's, as docs/data.md says: its list of punctuation is short, it keeps symbols and
# invisible characters inside words, and leaves scripts without spaces to a splitter.
APART = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}\p{Tangut}\p{Nushu}\p{Line_Break=SA}"
                      r"\u3031-\u3035\u30fc\uff70]")


def treated_alike(character):
    if ord(character) < 128 or character.isspace() or character in PUNCTUATION:
        return True
    category = unicodedata.category(character)
    if category[0] in "PSC" or category in ("Me", "No", "Nl"):
        return False
    return not APART.match(character)


class Words(unittest.TestCase):
    def same(self, texts):
        for text, ours in zip(texts, driver("words", texts=texts), strict=True):
            self.assertEqual(ours, [word.replace("ς", "σ") for word in peer_words(text)], repr(text)[:500])

    def test_shared_texts(self):
        if not SHARED.is_dir():
            self.skipTest("no ../shared beside the sources")
        texts = tokenizer_texts.real("en", SHARED / "data") + tokenizer_texts.real("ko", SHARED / "data")
        alike = [text for text in texts if all(map(treated_alike, text))]
        print(f"{len(alike)} of {len(texts)} documents hold only characters that both treat alike")
        self.assertGreater(len(alike), 0.8 * len(texts))
        self.same(alike)
        rest = [text for text in texts if not all(map(treated_alike, text))]
        self.same(["".join(c if treated_alike(c) else " " for c in text) for text in rest])

    def test_random_texts(self):
        draw = random.Random(4)
        everything = [chr(c) for c in range(0x20000) if not 0xD800 <= c < 0xE000]
        alphabet = [c for c in everything if treated_alike(c) and unicodedata.category(c) != "Cn"]
        common = "abcXYZ  \n.,'-0123456789éÀßΣσİıẞ한국어кириллица ١٢٣"
        texts = ["3⎖4 3٫4 3،4 1.2.3 1,2,3 ١٫٢ 3.x"]
        for _ in range(3000):
            source = draw.choice([alphabet, common, common + "33.,"])
            texts.append("".join(draw.choice(source) for _ in range(draw.randrange(60))))
        self.same(texts)


class Survivors(unittest.TestCase):
    def test_far_and_near_pairs(self):
        """Similarities of 0.96 and more or 0.3 and less: whoever drops otherwise has an error, not bad luck."""
        draw = random.Random(6)
        vocabulary = ["".join(draw.choice("abcdefghiklmnopqrstuvwyz") for _ in range(6)) for _ in range(50000)]
        documents = []
        for _ in range(600):
            words = [draw.choice(vocabulary) for _ in range(draw.randrange(300, 500))]
            documents.append(" ".join(words))
            for _ in range(draw.randrange(3)):
                copy = list(words)
                kind = draw.randrange(3)
                if kind == 0:
                    copy[draw.randrange(300)] = "changed"
                if kind == 1:
                    copy = copy[:100] + [draw.choice(vocabulary) for _ in range(300)]
                documents.append((", " if kind == 2 else " ").join(copy))
        draw.shuffle(documents)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "p").mkdir()
            kept = set(driver("run", folder / "p", 1, texts=documents)[0]["kept"])
            peer = bench.Datatrove()
            with contextlib.redirect_stderr(io.StringIO()):
                peer.sign(documents, str(folder / "s"))
                dropped, _ = peer.removed(folder)
        self.assertGreater(len(dropped), 200)
        self.assertEqual(set(range(len(documents))) - kept, dropped)


if __name__ == "__main__":
    unittest.main()
