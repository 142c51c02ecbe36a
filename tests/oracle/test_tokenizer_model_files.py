"""SentencePiece .model and tiktoken files against PyPI `sentencepiece` and `tiktoken`; models are trained here."""

import base64
import io
import json
import os
import pathlib
import random
import tempfile
import unittest

import sentencepiece
import tiktoken
from test_tokenizer import PLUMB, SHARED, encode_lines, every_code_point, fuzz, plumb, shared_texts
from tokenizer_kinds import LLAMA3, O200K, GPT2
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers


def corpus():
    texts = [text[:30000] for text in shared_texts()] if SHARED.exists() else []
    return [line for text in texts for line in text.split("\n") if line.strip()] + fuzz(600, 2)


def lines_to_encode():
    texts = shared_texts() if SHARED.exists() else []
    return [line for text in texts for line in text.split("\n")[:80]] + fuzz(1500, 3) + every_code_point()[::53]


def train(**options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, minloglevel=2, hard_vocab_limit=False, num_threads=1,
        **{"vocab_size": 900, "character_coverage": 0.98, **options})
    return model.getvalue()


@unittest.skipUnless(os.path.exists(PLUMB), "TEST_PLUMB names no built plumb")
class SentencePieceTest(unittest.TestCase):
    def check(self, bytes_):
        lines = lines_to_encode()
        theirs = sentencepiece.SentencePieceProcessor(model_proto=bytes_)
        expected = theirs.encode(lines)
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "tokenizer.model"
            file.write_bytes(bytes_)
            found = encode_lines(file, lines, "--special-in-text", "text")
            self.assertEqual([lines[i] for i, (x, y) in enumerate(zip(found, expected)) if x != y], [])
            random.seed(5)
            rows = [row for row in expected[:5] if row]
            rows += [[random.randrange(theirs.get_piece_size()) for _ in range(20)] for _ in range(8)]
            for row in rows:
                found = plumb("decode", "--tokenizer", file, text=" ".join(map(str, row)).encode())
                self.assertEqual(found, theirs.decode(row), row)

    def test_bpe(self):
        self.check(train(model_type="bpe"))
        self.check(train(model_type="bpe", byte_fallback=True, vocab_size=1200, normalization_rule_name="identity",
                         remove_extra_whitespaces=False, split_digits=True))  # as Llama-2 has it
        self.check(train(model_type="bpe", user_defined_symbols=["<|x|>", "123", "the"], add_dummy_prefix=False))

    def test_unigram(self):
        self.check(train(model_type="unigram"))
        self.check(train(model_type="unigram", byte_fallback=True, vocab_size=1100))
        self.check(train(model_type="unigram", user_defined_symbols=["<|x|>", "123"], normalization_rule_name="nfkc_cf",
                         treat_whitespace_as_suffix=True))
        self.check(train(model_type="unigram", split_by_whitespace=False, normalization_rule_name="nmt_nfkc_cf"))

    def test_characters(self):
        self.check(train(model_type="char"))


@unittest.skipUnless(os.path.exists(PLUMB), "TEST_PLUMB names no built plumb")
class TiktokenTest(unittest.TestCase):
    def check(self, pattern, ranks, name="x", shuffled=False):
        specials = {"<|endoftext|>": len(ranks) + 3, "<|fim|>": len(ranks) + 7}
        theirs = tiktoken.Encoding("x", pat_str=pattern, mergeable_ranks=ranks, special_tokens=specials)
        lines = lines_to_encode()
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / f"{name}.tiktoken"
            file.write_text("".join(f"{base64.b64encode(t).decode()} {r}\n" for t, r in ranks.items()))
            pathlib.Path(f"{file}.json").write_text(json.dumps({"pattern": pattern, "special_tokens": specials}))
            for options, expected in ((["--special-in-text", "text"], theirs.encode_ordinary_batch(lines)),
                                      ([], [theirs.encode(line, allowed_special="all") for line in lines])):
                found = encode_lines(file, lines, *options)
                self.assertEqual([lines[i] for i, (x, y) in enumerate(zip(found, expected)) if x != y], [])

    def ranks(self, pattern, size):
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(
            vocab_size=size, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
        alphabet = byte_alphabet()
        return {bytes(alphabet[c] for c in t): i for t, i in sorted(tokenizer.get_vocab().items(), key=lambda x: x[1])}

    def test_trained(self):
        for pattern in GPT2, LLAMA3, O200K:
            with self.subTest(pattern):
                self.check(pattern, self.ranks(pattern, 900))

    def test_ranks_in_any_order(self):
        """Ranks that no training gives: tokens without parts, parts behind their wholes."""
        random.seed(6)
        ranks = self.ranks(LLAMA3, 700)
        longer = [t for t in ranks if len(t) > 1] + [b"thething", b"abababab", b"zqzq", "\ud55c\uae00".encode(), b"aaaa", b"aaa"]
        longer = list(dict.fromkeys(longer))
        random.shuffle(longer)
        self.check(LLAMA3, {**{bytes([b]): b for b in range(256)}, **{t: 256 + i for i, t in enumerate(longer)}})


def byte_alphabet():
    printable = list(range(0x21, 0x7F)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))
    others = [b for b in range(256) if b not in printable]
    return {**{chr(b): b for b in printable}, **{chr(256 + i): b for i, b in enumerate(others)}}


if __name__ == "__main__":
    unittest.main()
