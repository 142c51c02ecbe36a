"""Megatron-LM's indexed datasets: written here as its builder writes them, read here as its reader reads them.

The two functions follow megatron/core/datasets/indexed_dataset.py (_IndexWriter, _IndexReader, IndexedDatasetBuilder);
Megatron itself needs a GPU build of its extensions. TEST_PLUMB names the built binary.
"""
import struct
import subprocess
import sys
import unittest
from pathlib import Path

import numpy
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from support import ENVIRONMENT, PLUMB, SHARED, RunFolder  # noqa: E402

HEADER = b"MMIDIDX\x00\x00"
CODES = {numpy.uint8: 1, numpy.int8: 2, numpy.int16: 3, numpy.int32: 4, numpy.int64: 5, numpy.uint16: 8}
TYPES = {code: kind for kind, code in CODES.items()}


def write(prefix, documents, kind):
    """documents: a list of documents, each a list of sequences (add_item), closed by end_document()."""
    lengths, bounds = [], [0]
    with open(f"{prefix}.bin", "wb") as file:
        for sequences in documents:
            for sequence in sequences:
                array = numpy.array(sequence, dtype=kind)
                file.write(array.tobytes(order="C"))
                lengths.append(array.size)
            bounds.append(len(lengths))
    size = numpy.dtype(kind).itemsize
    pointers = [0] * len(lengths)
    for i in range(1, len(lengths)):
        pointers[i] = pointers[i - 1] + lengths[i - 1] * size
    with open(f"{prefix}.idx", "wb") as file:
        file.write(HEADER)
        file.write(struct.pack("<Q", 1))
        file.write(struct.pack("<B", CODES[kind]))
        file.write(struct.pack("<Q", len(lengths)))
        file.write(struct.pack("<Q", len(bounds)))
        file.write(numpy.array(lengths, dtype=numpy.int32).tobytes(order="C"))
        file.write(numpy.array(pointers, dtype=numpy.int64).tobytes(order="C"))
        file.write(numpy.array(bounds, dtype=numpy.int64).tobytes(order="C"))


def read(prefix):
    with open(f"{prefix}.idx", "rb") as stream:
        assert stream.read(9) == HEADER
        assert struct.unpack("<Q", stream.read(8))[0] == 1
        kind = TYPES[struct.unpack("<B", stream.read(1))[0]]
        sequences = struct.unpack("<Q", stream.read(8))[0]
        documents = struct.unpack("<Q", stream.read(8))[0]
        offset = stream.tell()
    buffer = memoryview(numpy.memmap(f"{prefix}.idx", mode="r", order="C"))
    lengths = numpy.frombuffer(buffer, dtype=numpy.int32, count=sequences, offset=offset)
    pointers = numpy.frombuffer(buffer, dtype=numpy.int64, count=sequences, offset=offset + lengths.nbytes)
    bounds = numpy.frombuffer(buffer, dtype=numpy.int64, count=documents,
                              offset=offset + lengths.nbytes + pointers.nbytes)
    assert lengths.shape[0] == sequences and bounds[-1] == sequences and bounds[0] == 0
    data = memoryview(numpy.memmap(f"{prefix}.bin", mode="r", order="C"))
    items = [numpy.frombuffer(data, dtype=kind, count=n, offset=at).tolist()
             for n, at in zip(lengths, pointers, strict=True)]
    return kind, [items[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def plumb(*words, code=0):
    done = subprocess.run([PLUMB, *map(str, words)], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout + done.stderr


class Megatron(RunFolder):
    def setUp(self):
        super().setUp()
        if not SHARED.is_dir():
            self.skipTest("no ../shared beside the sources")
        self.file = SHARED / "tokenizers" / "gpt2.json"
        self.tokenizer = Tokenizer.from_file(str(self.file))
        self.end = self.tokenizer.token_to_id("<|endoftext|>")
        text = (SHARED / "data" / "text" / "tiny_shakespeare.txt").read_text(encoding="utf-8")
        self.documents = [[e.ids for e in self.tokenizer.encode_batch(part.split(". "))] + [[self.end]]
                          for part in text.split("\n\n")[:2000]]

    def test_import_and_export(self):
        whole = [[[i for sequence in document for i in sequence]] for document in self.documents]
        for kind in (numpy.uint16, numpy.int32, numpy.int64):
            source, out, back = (self.folder / f"{kind.__name__}{end}" for end in ("", "-out", "-back"))
            write(source, self.documents, kind)
            printed = plumb("data", "import", source, out, "--tokenizer", self.file, "--sequence-length", 128)
            self.assertIn(f"{len(whole):,} documents, {sum(len(d[0]) for d in whole):,} tokens", printed)
            self.assertNotIn("do not end", printed)
            plumb("data", "export", out, back)
            written, documents = read(back)
            self.assertEqual(written, numpy.uint16)  # GPT-2's vocabulary is below 65,500
            self.assertEqual(documents, whole)
        self.assertEqual((self.folder / "uint16.bin").read_bytes(), (self.folder / "uint16-back.bin").read_bytes())
        write(self.folder / "expected", whole, numpy.uint16)
        self.assertEqual((self.folder / "expected.idx").read_bytes(), (self.folder / "uint16-back.idx").read_bytes())

    def test_mistakes(self):
        source = self.folder / "other"
        write(source, [[[1, 2, 60000]]], numpy.uint16)
        words = ["data", "import", source, self.folder / "out"]
        self.assertIn("--tokenizer", plumb(*words, code=2))
        self.assertIn("found 60000", plumb(*words, "--tokenizer", self.file, code=2))
        self.assertFalse((self.folder / "out").exists())
        write(source, [[[1, 2]], [[3, self.end]]], numpy.uint16)
        self.assertIn("1 of 2 documents do not end", plumb(*words, "--tokenizer", self.file))
        self.assertIn("exists already", plumb(*words, "--tokenizer", self.file, code=2))
        self.assertIn("expected megatron", plumb("data", "export", self.folder / "out", source, "--format", "npy", code=2))


if __name__ == "__main__":
    unittest.main()
