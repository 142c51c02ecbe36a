"""Whole texts, line ends and all, against PyPI `tokenizers`, `sentencepiece` and `tiktoken`: the same ids, the same text
back, and bytes that are no UTF-8 read as U+FFFD and counted.

What is compared line by line (test_tokenizer.py and its neighbours) never shows a line end to a tokenizer.
"""

import base64
import codecs
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile
import unittest

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import sentencepiece  # noqa: E402
import tiktoken  # noqa: E402
import tiktoken_ext.openai_public as openai_public  # noqa: E402
import tokenizer_kinds  # noqa: E402
from test_tokenizer import PLUMB, SHARED, fuzz, made_here, shared_texts, their_ids  # noqa: E402
from test_tokenizer_kinds import training_texts  # noqa: E402
from test_tokenizer_model_files import corpus, train  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

LINE_ENDS = ["\n", "\n\n", "\r\n", "\r", "\n \n", "  \n", "\n\t", "\n\n\n\n", "\u2028", "\x0b\n", "\x85", " \r\n\r\n "]
ENDS_OF_TEXT = ["", "\n", "\n\n", "  ", "\n  ", " \n", "\r\n", "\t\n ", "\u3000", "\n\u00a0"]
INVALID = [b"\xff", b"\x80", b"\xc3", b"\xc0\xaf", b"\xe2\x82", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf0\x9f\x98",
           b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", b"\xfe\xfe\xff"]


def texts_with_line_ends(count, seed, size=60):
    """`count` texts of random lines, each with an end of its own kind."""
    lines = fuzz(count * size, seed)
    random.seed(seed + 1)
    texts = []
    for i in range(count):
        part = lines[i * size:(i + 1) * size]
        texts.append("".join(line + random.choice(LINE_ENDS) for line in part) + ENDS_OF_TEXT[i % len(ENDS_OF_TEXT)])
    return texts


def code_points_beside_line_ends(step):
    points = [chr(c) for c in range(1, 0x110000, step) if not 0xD800 <= c <= 0xDFFF]
    return ["".join(f"\n{c}\na{c} \n{c}{c}\n" for c in points[i:i + 20000]) for i in range(0, len(points), 20000)]


def run(*words, data):
    done = subprocess.run([PLUMB, "tokenizer", *map(str, words)], input=data, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr.decode()}")
    return done


def encode(file, texts, *options):
    """Ids of each text (bytes without a null), and what was said beside them."""
    done = run("encode", "--tokenizer", file, "--null", *options, data=b"".join(text + b"\0" for text in texts))
    return [[int(i) for i in line.split()] for line in done.stdout.split(b"\n")[:-1]], done.stderr.decode()


def decode(file, rows, *options):
    data = "".join(" ".join(map(str, row)) + "\n" for row in rows).encode()
    return run("decode", "--tokenizer", file, "--null", *options, data=data).stdout.decode().split("\0")[:-1]


def damaged(text, seed, pieces=200):
    """The text with invalid bytes between its characters; what a decoder reads; how many U+FFFD it put in."""
    random.seed(seed)
    cuts = sorted(random.randrange(len(text) + 1) for _ in range(pieces))
    parts = [text[a:b].encode() for a, b in zip([0] + cuts, cuts + [len(text)])]
    data = b"".join(part + random.choice(INVALID) for part in parts)
    replaced = 0

    def count(error):
        nonlocal replaced
        replaced += 1
        return "\ufffd", error.end

    codecs.register_error("count", count)
    return data, data.decode("utf-8", errors="count"), replaced


def without_special_texts(file):
    """The tokenizer to which the texts of its special tokens mean nothing. encode_special_tokens alone does not do that: a
    Unigram, WordPiece or WordLevel vocabulary holds them as pieces, and a document could write an end of text."""
    state = json.loads(file.read_text(encoding="utf-8"))
    names = {token["content"]: f"\U000ffffe{token['id']}" for token in state["added_tokens"] if token["special"]}
    model = state["model"]
    if isinstance(model["vocab"], list):
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in model["vocab"]]
    else:
        model["vocab"] = {names.get(piece, piece): number for piece, number in model["vocab"].items()}
    if model.get("unk_token"):
        model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    for token in state["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    state["post_processor"] = state["padding"] = state["truncation"] = None
    return Tokenizer.from_str(json.dumps(state))


class Compare(unittest.TestCase):
    def same(self, found, expected, texts, what):
        self.assertEqual(len(found), len(expected), what)
        for ours, theirs, text in zip(found, expected, texts):
            if ours == theirs:
                continue
            at = next((i for i, (x, y) in enumerate(zip(ours, theirs)) if x != y), min(len(ours), len(theirs)))
            self.fail(f"{what}: at {at}: {ours[at:at + 8]!r} and not {theirs[at:at + 8]!r}, of {text[:60]!r}...")

    def check(self, file, texts, theirs, options=(), back=None, skip=None):
        """theirs(text) -> ids; back(ids) -> text and skip(ids) -> text without special tokens."""
        expected = [theirs(text) for text in texts]
        self.same(encode(file, [text.encode() for text in texts], *options)[0], expected, texts, f"{file.name} {options}")
        if back:
            self.same(decode(file, expected), [back(ids) for ids in expected], texts, f"{file.name}, decoded")
        if skip:
            self.same(decode(file, expected, "--skip-special-tokens"), [skip(ids) for ids in expected], texts,
                      f"{file.name}, decoded without special tokens")

    def check_tokenizers(self, file, texts, thorough=True):
        theirs = Tokenizer.from_file(str(file))
        theirs.no_padding()
        theirs.no_truncation()
        plain = lambda text: their_ids(theirs, [text])[0]  # noqa: E731
        self.check(file, texts, plain,
                   back=lambda ids: theirs.decode(ids, skip_special_tokens=False), skip=theirs.decode if thorough else None)
        if not thorough:  # a start of the program costs more than what it is asked here
            return
        self.check(file, texts[-6:], lambda text: their_ids(theirs, [text], around=True)[0], options=["--add-special-tokens"])
        if theirs.get_added_tokens_decoder():
            deaf = without_special_texts(file)
            self.check(file, texts[-6:], lambda text: their_ids(deaf, [text])[0], options=["--special-in-text", "text"])
        self.check_invalid(file, plain)

    def check_invalid(self, file, theirs, options=()):
        made = [damaged(text, seed) for seed, text in enumerate(texts_with_line_ends(4, 11))]
        ids, said = encode(file, [data for data, _, _ in made], *options)
        self.same(ids, [theirs(read) for _, read, _ in made], [read for _, read, _ in made], f"{file.name}, invalid UTF-8")
        said = re.search(r"([\d,]+) invalid UTF-8 sequences", said)
        self.assertEqual(int(said.group(1).replace(",", "")) if said else 0, sum(count for _, _, count in made), file.name)
        self.assertEqual(encode(file, ["\ufffd fine".encode()], *options)[1], "")  # one that stood there is none


@unittest.skipUnless(os.path.exists(PLUMB), "TEST_PLUMB names no built plumb")
class WholeTexts(Compare):
    @unittest.skipUnless(SHARED.exists(), "needs ../shared")
    def test_published_files(self):
        texts = shared_texts() + texts_with_line_ends(30, 1) + code_points_beside_line_ends(61)
        files = sorted((SHARED / "tokenizers").glob("*.json"))
        self.assertGreaterEqual(len(files), 5)
        for file in files:
            with self.subTest(file.name):
                self.check_tokenizers(file, texts)

    def test_kinds(self):
        texts = texts_with_line_ends(12, 2, 40) + code_points_beside_line_ends(997)
        charsmap = b""
        if SHARED.exists():
            state = json.loads((SHARED / "tokenizers/t5-small.json").read_text())
            charsmap = base64.b64decode(state["normalizer"]["precompiled_charsmap"])
        made = {**(tokenizer_kinds.of_models(training_texts(), charsmap) if charsmap else {}),
                **tokenizer_kinds.of_components(training_texts())}
        made.update({kind: made_here(kind, training_texts()) for kind in ("llama3", "qwen2", "cl100k", "contiguous")})
        for name, tokenizer in made.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder) / "tokenizer.json"
                tokenizer.save(str(file))
                self.check_tokenizers(file, texts, thorough=False)

    def test_sentencepiece(self):
        shared = shared_texts() if SHARED.exists() else []
        made = texts_with_line_ends(20, 3) + code_points_beside_line_ends(499)
        kinds = {"bpe": {"model_type": "bpe"},
                 "llama": {"model_type": "bpe", "byte_fallback": True, "vocab_size": 1200, "split_digits": True,
                           "normalization_rule_name": "identity", "remove_extra_whitespaces": False},
                 "unigram": {"model_type": "unigram"},
                 "bytes": {"model_type": "unigram", "byte_fallback": True, "vocab_size": 1100},
                 "suffix": {"model_type": "unigram", "user_defined_symbols": ["<|x|>", "\n"],
                            "treat_whitespace_as_suffix": True},
                 "characters": {"model_type": "char"}}
        for name, options in kinds.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                model = train(**options)
                theirs = sentencepiece.SentencePieceProcessor(model_proto=model)
                file = pathlib.Path(folder) / "tokenizer.model"
                file.write_bytes(model)
                # Whole books for one kind are enough. Sums of long texts are rounded, and with suffixes not always as
                # `sentencepiece` rounds them.
                most = {"llama": None, "suffix": 100000}.get(name, 300000)
                texts = [text[:most] for text in shared] + made
                self.check(file, texts, theirs.encode, options=["--special-in-text", "text"], back=theirs.decode)
                self.check_invalid(file, theirs.encode, ["--special-in-text", "text"])


def toy_ranks(count, without=()):
    """As many ranks as a published file has: all bytes, pairs and words met in a text, and what no text holds."""
    text = " ".join(corpus())[:400000].encode()
    tokens = {bytes([b]): None for b in range(256)}
    for size in 2, 3, 4, 6:
        for at in range(0, min(len(text), 60000 // size)):
            tokens.setdefault(text[at:at + size])
    tokens = list(tokens)[:count // 2]
    tokens += [b"\xff\xfe" + number.to_bytes(4, "big") for number in range(count - len(tokens))]
    ranks = (rank for rank in range(count + len(without)) if rank not in without)
    return dict(zip(tokens, ranks))


@unittest.skipUnless(os.path.exists(PLUMB), "TEST_PLUMB names no built plumb")
class PublishedTiktoken(Compare):
    """The patterns and special tokens of tiktoken's own encodings, on made ranks: the published ones need a network."""

    COUNTS = {"gpt2": (50256, ()), "r50k_base": (50256, ()), "p50k_base": (50280, (50256,)), "cl100k_base": (100256, ()),
              "o200k_base": (199998, ())}

    def setUp(self):
        self.kept = openai_public.load_tiktoken_bpe, openai_public.data_gym_to_mergeable_bpe_ranks
        openai_public.load_tiktoken_bpe = lambda *_, **__: self.ranks
        openai_public.data_gym_to_mergeable_bpe_ranks = lambda *_, **__: self.ranks

    def tearDown(self):
        openai_public.load_tiktoken_bpe, openai_public.data_gym_to_mergeable_bpe_ranks = self.kept

    def test_encodings(self):
        texts = [text[:300000] for text in shared_texts()] if SHARED.exists() else []  # the published files see whole books
        texts += texts_with_line_ends(40, 4) + code_points_beside_line_ends(97)
        texts += ["a\n  ", "a \n", "1234567\n\n \r\n", "x'LL y'\u017f 's\n"] + ENDS_OF_TEXT
        for name, (count, without) in self.COUNTS.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                self.ranks = toy_ranks(count, without)
                encoding = openai_public.ENCODING_CONSTRUCTORS[name]()
                theirs = tiktoken.Encoding(**encoding)
                file = pathlib.Path(folder) / f"{name}.tiktoken"
                file.write_text("".join(f"{base64.b64encode(t).decode()} {r}\n" for t, r in self.ranks.items()))
                back = lambda ids: theirs.decode(ids)  # noqa: E731
                self.check(file, texts, theirs.encode_ordinary, options=["--special-in-text", "text"], back=back)
                marked = [re.sub("(?<=a)", special, text) for special, text in zip(encoding["special_tokens"], texts)]
                self.check(file, marked, lambda text: theirs.encode(text, allowed_special="all"), back=back)
                self.check_invalid(file, theirs.encode_ordinary, ["--special-in-text", "text"])
                if name == "o200k_base":
                    continue
                # The same pattern, as tiktoken writes it, in the file beside a file of another name.
                other = pathlib.Path(folder) / "mine.tiktoken"
                other.write_bytes(file.read_bytes())
                pathlib.Path(f"{other}.json").write_text(json.dumps({"pattern": encoding["pat_str"]}))
                self.check(other, texts[-10:], theirs.encode_ordinary, options=["--special-in-text", "text"])

    def test_patterns_that_other_engines_read_otherwise(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "mine.tiktoken"
            file.write_text("".join(f"{base64.b64encode(bytes([b])).decode()} {b}\n" for b in range(256)))
            for pattern, wrong in ((r"\p{N}{1,3}+|.", "}+"), (r"\s+$|\s|\S", "$"), ("^a|[^a]|a", "^")):
                pathlib.Path(f"{file}.json").write_text(json.dumps({"pattern": pattern}))
                done = subprocess.run([PLUMB, "tokenizer", "encode", "--tokenizer", file], input=b"a", capture_output=True)
                self.assertEqual(done.returncode, 2, pattern)
                self.assertIn(f'found "{wrong}"', done.stderr.decode())
            for pattern in r"[$^}+]|\$|\^|.", r"\s+\z|(?>\p{N}{1,3})|.|\n":
                pathlib.Path(f"{file}.json").write_text(json.dumps({"pattern": pattern}))
                self.assertEqual(encode(file, [b"$^}+"])[0], [[36, 94, 125, 43]])


if __name__ == "__main__":
    unittest.main()
