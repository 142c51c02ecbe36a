"""Every component of tokenizer.json and the pipelines of known models against PyPI `tokenizers`: ids and decoded text.

TEST_PLUMB names the built `plumb`, as in test_tokenizer.py; the precompiled character map comes from ../shared.
"""

import base64
import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizer_kinds  # noqa: E402
from test_tokenizer import PLUMB, SHARED, encode_lines, every_code_point, fuzz, plumb, shared_texts, their_ids  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402


def short_lines():
    texts = shared_texts() if SHARED.exists() else []
    return [line[:300] for text in texts for line in text.split("\n")[:60]] + fuzz(1200, 3)


def training_texts():
    texts = [text[:8000] for text in shared_texts()] if SHARED.exists() else []
    return texts + [" ".join(fuzz(600, 2)), "the thing in the wind's singing, they're 12345 there. " * 50]


@unittest.skipUnless(os.path.exists(PLUMB), "TEST_PLUMB names no built plumb")
class KindsTest(unittest.TestCase):
    def check(self, tokenizer, lines, added=True):
        if added:
            tokenizer_kinds.with_added_tokens(tokenizer)
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "tokenizer.json"
            tokenizer.save(str(file))
            theirs = Tokenizer.from_file(str(file))  # numbers are read from the file, as they are here
            # A start of the program costs more than what it is asked here; test_tokenizer_texts.py encodes without special
            # tokens around a text, and decodes with them.
            expected = their_ids(theirs, lines, around=True)
            found = encode_lines(file, lines, "--add-special-tokens")
            self.assertEqual(len(found), len(expected))
            different = [i for i, (x, y) in enumerate(zip(found, expected)) if x != y]
            self.assertEqual(different, [], f"first {lines[different[0]]!r}" if different else "")
            random.seed(4)
            rows = [max(expected[:40], key=len)[:60], [random.randrange(theirs.get_vocab_size()) for _ in range(60)]]
            found = plumb("decode", "--tokenizer", file, "--null", "--skip-special-tokens",
                          text="".join(" ".join(map(str, row)) + "\n" for row in rows).encode())
            self.assertEqual(found, "".join(theirs.decode(row) + "\0" for row in rows), rows)

    @unittest.skipUnless(SHARED.exists(), "needs ../shared")
    def test_models(self):
        state = json.loads((SHARED / "tokenizers/t5-small.json").read_text())
        charsmap = base64.b64decode(state["normalizer"]["precompiled_charsmap"])
        lines = short_lines() + every_code_point()[::401]
        for name, tokenizer in tokenizer_kinds.of_models(training_texts(), charsmap).items():
            with self.subTest(name):
                self.check(tokenizer, lines)

    def test_components(self):
        lines = short_lines() + every_code_point()[::401]
        for name, tokenizer in tokenizer_kinds.of_components(training_texts()).items():
            with self.subTest(name):
                self.check(tokenizer, lines, added=not name.startswith("strip"))  # "  " would become an empty token

    def test_normal_forms_of_every_code_point(self):
        """Of the planes without assigned characters, and of those for private use, some will do."""
        planes = [*range(0x40000), *range(0x40000, 0xE0000, 97), *range(0xE0000, 0xE1000), *range(0xE1000, 0x110000, 97)]
        points = [f"a{chr(c)}b" for c in planes if not 0xD800 <= c <= 0xDFFF and c != 10]
        lines = ["".join(points[i:i + 128]) for i in range(0, len(points), 128)]
        made = tokenizer_kinds.of_components(["a"])
        for name in "nfd nfkd nfkc lower nmt accents".split() + ["bert parts", "scripts", "whitespace", "punctuation isolated"]:
            with self.subTest(name):
                self.check(made[name], lines, added=False)

    @unittest.skipUnless(SHARED.exists(), "needs ../shared")
    def test_published_files(self):
        lines = [line for text in shared_texts() for line in text.split("\n")][::8] + fuzz(4000, 1) + every_code_point()
        for name in "phi-3-mini", "t5-small":
            with self.subTest(name):
                theirs = Tokenizer.from_file(str(SHARED / "tokenizers" / f"{name}.json"))
                theirs.no_padding()
                theirs.no_truncation()
                expected = their_ids(theirs, lines)
                found = encode_lines(SHARED / "tokenizers" / f"{name}.json", lines)
                self.assertEqual([lines[i] for i, (x, y) in enumerate(zip(found, expected)) if x != y], [])

    def test_long_input_without_spaces(self):
        """Time grows with the text, not with its square."""
        texts = training_texts()
        for name, tokenizer in (("bpe", tokenizer_kinds.bpe(texts, None, alphabet=False, unk_token="<unk>", fuse_unk=True)),
                                ("unigram", tokenizer_kinds.unigram(texts, None, None)),
                                ("bert", tokenizer_kinds.wordpiece(texts, True, max_input_chars_per_word=10**9))):
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder) / "tokenizer.json"
                tokenizer.save(str(file))
                for text in "a" * 10**6, "thing" * 200000:
                    subprocess.run([PLUMB, "tokenizer", "encode", "--tokenizer", file], input=text.encode(), timeout=60,
                                   check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    unittest.main()
