"""`plumb tokenizer` against PyPI `tokenizers`: the same ids, the same text back, the same trained vocabulary.

TEST_PLUMB names the built `plumb` (default: the release preset's); files of ../shared are used where they are.
"""

import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SOURCE = pathlib.Path(os.environ.get("TEST_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
SHARED = SOURCE.parent / "shared"
PLUMB = os.environ.get("TEST_PLUMB", str(SOURCE / "build/release/trainer/plumb"))
PUBLISHED = ["gpt2", "roberta-base", "gpt-neox-20b"]

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
LLAMA3 = CONTRACTIONS + r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
CL100K = CONTRACTIONS + r"[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"


def plumb(*words, text=b""):
    done = subprocess.run([PLUMB, "tokenizer", *map(str, words)], input=text, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr.decode()}")
    return done.stdout.decode()


def encode_lines(file, lines, *options):
    printed = plumb("encode", "--tokenizer", file, "--lines", *options, text="".join(x + "\n" for x in lines).encode())
    return [[int(i) for i in line.split()] for line in printed.split("\n")[:-1]]


def their_ids(tokenizer, texts, around=False):
    """encode_batch_fast leaves out the offsets, which nothing here asks for, and gives the same ids."""
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=around)]


def shared_texts():
    return [f.read_text(encoding="utf-8") for f in sorted((SHARED / "data").glob("*/*")) if f.is_file()]


def fuzz(count, seed):
    random.seed(seed)
    characters = list(" \t\r'sStTlLvVeErRmMdDa1\u00e9\u00b2\u00a0\u2003\u0301\u0345\u0316\u017f<|>\ud55c\uae00\u1112\u1161\u11ab"
                      "\u4e2d\U0001f600\u200d\u0085\x0b\x1c\u180e")
    words = ["<|endoftext|>", "<s>", "</s>", "<mask>", "<pad>", "<|padding|>", "  ", "   ", " " * 24, "'re", "'LL", " the",
             "ing", "123", "\r"]
    lines = []
    for _ in range(count):
        line = ""
        for _ in range(random.randint(1, 40)):
            kind = random.random()
            if kind < 0.8:
                line += random.choice(characters if kind < 0.5 else words)
            else:
                code = random.randrange(0x20, 0x110000 if kind > 0.9 else 0x3000)
                line += chr(code) if not 0xD800 <= code <= 0xDFFF else ""
        lines.append(line)
    return lines


def every_code_point():
    """Each code point between letters, behind a digit and before the next context; 64 to a line."""
    contexts = [f"a{chr(c)}b 1{chr(c)}" for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and c != 10]
    return ["".join(contexts[i:i + 64]) for i in range(0, len(contexts), 64)]


def made_here(kind, texts):
    """A tokenizer with the components that the published files of ../shared lack."""
    split = lambda pattern, behavior="isolated": pre_tokenizers.Split(Regex(pattern), behavior)
    level = lambda **options: pre_tokenizers.ByteLevel(**{"add_prefix_space": False, "use_regex": False, **options})
    chosen = {
        "llama3": [split(LLAMA3), level()],
        "qwen2": [split(QWEN2), level()],
        "cl100k": [split(CL100K), level()],
        "prefix": [level(add_prefix_space=True, use_regex=True)],
        "digits": [pre_tokenizers.Digits(individual_digits=True), level(use_regex=True)],
        "digit runs": [pre_tokenizers.Digits(individual_digits=False), level(use_regex=True, add_prefix_space=True)],
        "merged": [split(r"\s+|[,.']", "merged_with_previous"), level(use_regex=True)],
        "removed": [split(r"\s+|[,.']", "removed"), level(use_regex=True)],
        "next": [split(r"\s+|[,.']", "merged_with_next"), level()],
        "contiguous": [split(r"\s|[,.']", "contiguous"), level()],
        "literal": [pre_tokenizers.Split("the", "isolated"), level(use_regex=True)],
    }[kind]
    tokenizer = Tokenizer(models.BPE(ignore_merges=kind in ("llama3", "merged")))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(chosen)
    tokenizer.decoder = decoders.ByteLevel()
    if kind in ("qwen2", "literal"):
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFC()])
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=1500, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_tokens([AddedToken(" the", lstrip=True, normalized=True), AddedToken("123", single_word=True),
                          AddedToken("  ", rstrip=True, normalized=True), AddedToken("'re", single_word=True, lstrip=True)])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True),
                                  AddedToken("<|endoftext|>", rstrip=True, special=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s> </s>", pair="<s> $A $B", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


@unittest.skipUnless(os.path.exists(PLUMB), "TEST_PLUMB names no built plumb")
class TokenizerTest(unittest.TestCase):
    def compare(self, file, lines):
        theirs = Tokenizer.from_file(str(file))
        theirs.no_padding()
        theirs.no_truncation()
        for options, as_text, around in ([], False, False), (["--special-in-text", "text"], True, False), (
                ["--add-special-tokens"], False, True):
            theirs.encode_special_tokens = as_text
            expected = [e.ids for e in theirs.encode_batch_fast(lines, add_special_tokens=around)]
            found = encode_lines(file, lines, *options)
            self.assertEqual(len(found), len(expected))
            different = [i for i, (x, y) in enumerate(zip(found, expected)) if x != y]
            self.assertEqual(different, [], f"{file} {options}: first {lines[different[0]]!r}" if different else "")

    @unittest.skipUnless(SHARED.exists(), "needs ../shared")
    def test_published_files(self):
        lines = [line for text in shared_texts() for line in text.split("\n")][::8] + fuzz(4000, 1)  # whole texts: _texts
        for name in PUBLISHED:
            with self.subTest(name):
                self.compare(SHARED / "tokenizers" / f"{name}.json", lines)

    @unittest.skipUnless(SHARED.exists(), "needs ../shared")
    def test_every_code_point(self):
        lines = every_code_point()
        for name in PUBLISHED:
            file = SHARED / "tokenizers" / f"{name}.json"
            expected = [e.ids for e in Tokenizer.from_file(str(file)).encode_batch_fast(lines, add_special_tokens=False)]
            found = encode_lines(file, lines)
            self.assertEqual([lines[i] for i, (x, y) in enumerate(zip(found, expected)) if x != y], [], name)

    def test_components(self):
        texts = [" ".join(fuzz(400, 2)), "the thing in the wind's singing, they're 12345 there. " * 50]
        lines = fuzz(2000, 3) + every_code_point()[::37]
        for kind in ["llama3", "qwen2", "cl100k", "prefix", "digits", "digit runs", "merged", "removed", "next",
                     "contiguous", "literal"]:
            with self.subTest(kind), tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder) / "tokenizer.json"
                made_here(kind, texts).save(str(file))
                self.compare(file, lines)

    def test_decode(self):
        tokenizer = made_here("llama3", fuzz(400, 2))
        random.seed(4)
        rows = [[random.randrange(tokenizer.get_vocab_size()) for _ in range(20)] for _ in range(300)]
        rows = [row for row in rows if "\0" not in tokenizer.decode(row, skip_special_tokens=False)]
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "tokenizer.json"
            tokenizer.save(str(file))
            for skip in False, True:
                found = plumb("decode", "--tokenizer", file, "--null", *(["--skip-special-tokens"] if skip else []),
                              text="".join(" ".join(map(str, row)) + "\n" for row in rows).encode())
                self.assertEqual(found.split("\0")[:-1], [tokenizer.decode(row, skip_special_tokens=skip) for row in rows])

    @unittest.skipUnless(SHARED.exists(), "needs ../shared")
    def test_training(self):
        text = SHARED / "data/text/wiki_demo.txt"
        for size in 2048, 8192:
            with tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                (folder / "c.yaml").write_text(
                    f"tokenizer: {{type: bpe, vocab_size: {size}}}\n"
                    f"data: {{sources: [{{path: {text}, format: text}}], cache: {folder}/cache}}\n")
                plumb("train", folder / "c.yaml", "--out", folder / "out")
                ours = json.loads((folder / "out/tokenizer.json").read_text())
                theirs = Tokenizer(models.BPE())
                theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
                theirs.train_from_iterator([text.read_text(encoding="utf-8")], trainers.BpeTrainer(
                    vocab_size=size, min_frequency=2, special_tokens=["<|endoftext|>"], show_progress=False,
                    initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
                theirs = json.loads(theirs.to_str())
                self.assertEqual(ours["model"]["merges"], theirs["model"]["merges"])
                self.assertEqual(ours["model"]["vocab"], theirs["model"]["vocab"])
                self.loads_in_transformers(folder / "out", text.read_text(encoding="utf-8")[:20000])

    def loads_in_transformers(self, folder, text):
        from transformers import AutoTokenizer

        loaded = AutoTokenizer.from_pretrained(folder)
        self.assertEqual(loaded.eos_token, "<|endoftext|>")
        ids = [int(i) for i in plumb("encode", "--tokenizer", folder, text=text.encode()).split()]
        self.assertEqual(loaded(text)["input_ids"], ids)
        self.assertEqual(loaded.decode(ids), text)


if __name__ == "__main__":
    unittest.main()
