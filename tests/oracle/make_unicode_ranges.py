"""Derives data/tokenizer/unicode_ranges.cpp from PyPI `tokenizers` itself, which mixes the Unicode tables of three
libraries. Run it when the pinned `tokenizers` changes its Unicode version:

    .venv/bin/python tests/oracle/make_unicode_ranges.py > data/tokenizer/unicode_ranges.cpp
"""

import unicodedata

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
ALL_TEXT = "".join(map(chr, CODE_POINTS))


def matched(pattern):
    pieces = pre_tokenizers.Split(Regex(pattern), "removed", invert=True).pre_tokenize_str(ALL_TEXT)
    return {ord(char) for piece, _ in pieces for char in piece}


def numeric():
    # Every character with a numeric value is cut off as a piece of its own; a guard letter stands between any two.
    guarded = "".join("a" + chr(c) for c in CODE_POINTS)
    pieces = pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str(guarded)
    return {ord(piece) for piece, _ in pieces if len(piece) == 1 and piece != "a"}


def word_characters():
    """What `single_word` added tokens take for a part of a word."""
    tokenizer = Tokenizer(models.BPE({"a": 0}, []))
    tokenizer.add_tokens([AddedToken("XQX", single_word=True, normalized=False)])
    return {c for c in CODE_POINTS if 1 not in tokenizer.encode("XQX" + chr(c)).ids}


def nfc_relevant():
    """Characters that NFC may change or reorder, or join to the one before, in the tables `tokenizers` has."""
    nfc = normalizers.NFC().normalize_str
    relevant = set()
    for c in CODE_POINTS[1:]:
        char = chr(c)
        if nfc(char) != char or unicodedata.combining(char) and nfc(reordering(c)) != reordering(c):
            relevant.add(c)
        parts = [p for p in unicodedata.decomposition(char).split() if not p.startswith("<")]
        pair = "".join(chr(int(p, 16)) for p in parts)
        if len(parts) == 2 and "<" not in unicodedata.decomposition(char) and nfc(pair) == char:
            relevant.add(ord(pair[1]))
    relevant.update(range(0x1161, 0x1176))
    relevant.update(range(0x11A8, 0x11C3))
    return relevant


def reordering(c):
    """A text that NFC changes if it knows that `c` is a combining mark."""
    combining = unicodedata.combining(chr(c))
    return chr(c) + "\u0334" if combining > 1 else "\u0316" + chr(c)


def main():
    sets = [matched(r"\p{L}+"), matched(r"\p{N}+"), matched(r"\s+"), matched(r"\p{M}+"), word_characters(), numeric(),
            nfc_relevant()]
    bits = bytearray(0x110001)
    for bit, members in enumerate(sets):
        for c in members:
            bits[c] |= 1 << bit
    rows, start = [], 0
    for c in range(1, 0x110001):
        if c == 0x110000 or bits[c] != bits[start]:
            if bits[start]:
                rows.append(f"{{0x{start:x}, 0x{c - 1:x}, {bits[start]}}},")
            start = c
    print(f"// Made by tests/oracle/make_unicode_ranges.py from `tokenizers` {tokenizers.__version__}.")
    print("// Tables, as compact as they can be read.")
    print("// clang-format off")
    print('#include "data/tokenizer/unicode.h"\n\nnamespace plumb::data {\n')
    print("const UnicodeRange kUnicodeRanges[] = {")
    line = ""
    for row in rows:
        if len(line) + len(row) > 116:
            print("  " + line.strip())
            line = ""
        line += " " + row
    print("  " + line.strip() + "\n};")
    print("const size_t kUnicodeRangeCount = sizeof(kUnicodeRanges) / sizeof(kUnicodeRanges[0]);\n")
    print("}  // namespace plumb::data")


if __name__ == "__main__":
    main()
