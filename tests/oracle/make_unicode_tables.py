"""Derives the tables of data/tokenizer/unicode_tables*.cpp from PyPI `tokenizers` itself, which mixes the Unicode versions of
several libraries. Run it when the pinned `tokenizers` changes one of them:

    .venv/bin/python tests/oracle/make_unicode_tables.py data/tokenizer
"""

import pathlib
import sys
import tempfile

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
ALL_TEXT = "".join(map(chr, CODE_POINTS))
CATEGORIES = "Cn Cc Cf Co Cs Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So Zl Zp Zs".split()
SCRIPTS = """Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki Bopomofo
Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian Common Coptic
Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan Elymaic
Ethiopic Garay Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Gurung_Khema Han Hangul
Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian
Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki Khudawadi Kirat_Rai Lao Latin
Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi
Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar
Nabataean Nag_Mundari Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Ol_Onal Old_Hungarian
Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage
Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada
Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa
Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Todhri Toto Tulu_Tigalari
Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square""".split()


def matched(pattern):
    pieces = pre_tokenizers.Split(Regex(pattern), "removed", invert=True).pre_tokenize_str(ALL_TEXT)
    return {ord(char) for piece, _ in pieces for char in piece}


def normalized_each(normalizer, before="a", after="b"):
    return {c: normalizer.normalize_str(before + chr(c) + after)[len(before):] for c in CODE_POINTS}


def isolated(pre_tokenizer):
    """Characters that become a piece of their own between letters."""
    found = set()
    for start in range(0, len(CODE_POINTS), 4096):
        text = "".join("a" + chr(c) for c in CODE_POINTS[start:start + 4096]) + "a"
        found |= {ord(p) for p, _ in pre_tokenizer.pre_tokenize_str(text) if len(p) == 1 and p != "a"}
    return found


def reorders(normalizer, c):
    """Whether the normalizer knows that `c` has a combining class."""
    char = chr(c)
    return any(normalizer.normalize_str(text) != text for text in ("a\u0316" + char, "a" + char + "\u0334"))


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def field(message, number):
    """The last bytes field of this number in a protocol buffer message."""
    at, found = 0, b""
    while at < len(message):
        key, at = varint(message, at)
        if key & 7 == 2:
            size, at = varint(message, at)
            if key >> 3 == number:
                found = message[at:at + size]
            at += size
        elif key & 7 == 5:
            at += 4
        else:
            _, at = varint(message, at)
    return found


def charsmap(characters):
    """A precompiled map of SentencePiece that makes each of the characters an X."""
    import sentencepiece

    with tempfile.TemporaryDirectory() as folder:
        rules = pathlib.Path(folder) / "rules.tsv"
        rules.write_text("".join(f"{c:X}\t58\n" for c in characters))
        (pathlib.Path(folder) / "text").write_text("hello world how are you\n" * 20)
        sentencepiece.SentencePieceTrainer.train(
            input=f"{folder}/text", model_prefix=f"{folder}/m", vocab_size=30, model_type="char", minloglevel=2,
            normalization_rule_tsv=str(rules), hard_vocab_limit=False)
        spec = field((pathlib.Path(folder) / "m.model").read_bytes(), 3)
        return normalizers.Precompiled(field(spec, 2))


def grapheme_sets():
    """(characters that continue a cluster, characters that end one)"""
    start = charsmap([ord("a")])
    continues = {c for c in CODE_POINTS if c and start.normalize_str("a" + chr(c)) == "X"}
    category = {c: None for c in CODE_POINTS}
    for name in ("Cc", "Cf", "Zl", "Zp"):
        for c in matched(rf"\p{{{name}}}+"):
            category[c] = name
    candidates = [c for c in CODE_POINTS if c and c not in continues and
                  (category[c] or 0xE0000 <= c < 0xE1000 or c in range(0xFFF0, 0xFFFA) or c == 0x2065)]
    replaced = charsmap(candidates)
    ends = {c for c in candidates if replaced.normalize_str(chr(c) + "\u0301") != "X"} | {0}
    return continues, ends


def bits():
    nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
    plain = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    cleaned = normalized_each(normalizers.BertNormalizer(**{**plain, "clean_text": True}))
    accents = normalized_each(normalizers.BertNormalizer(**{**plain, "strip_accents": True}))
    stripped = normalized_each(normalizers.StripAccents())
    continues, ends = grapheme_sets()
    sets = [
        matched(r"\w+"),
        isolated(pre_tokenizers.Punctuation("isolated")),
        {c for c in CODE_POINTS if cleaned[c] == "b"},
        {c for c in CODE_POINTS if accents[c] == "b"},
        {c for c in CODE_POINTS if stripped[c] == "b"},
        continues,
        ends,
        {c for c in CODE_POINTS if c and reorders(nfd, c)},
        {c for c in CODE_POINTS if nfd.normalize_str(chr(c)) != chr(c)},
        {c for c in CODE_POINTS if nfkd.normalize_str(chr(c)) != chr(c)},
    ]
    values = [0] * 0x110000
    for bit, members in enumerate(sets):
        for c in members:
            values[c] |= 1 << bit
    return values


def classes(names, pattern):
    values = [0] * 0x110000
    for i, name in enumerate(names):
        for c in matched(pattern.format(name)):
            values[c] = i
    return values


def segment_scripts():
    """Script of each character as the pre-tokenizer UnicodeScripts sees it; 0: any."""
    split = pre_tokenizers.UnicodeScripts().pre_tokenize_str
    joins = lambda a, b: len(split(a + b)) == 1
    values, representatives, last = [0] * 0x110000, [], 0
    for c in CODE_POINTS:
        char = chr(c)
        if joins("a", char) and joins("\ud55c", char):
            continue
        if not (last and joins(representatives[last - 1], char)):
            last = next((i + 1 for i, r in enumerate(representatives) if joins(r, char)), 0)
            if not last:
                representatives.append(char)
                last = len(representatives)
        values[c] = last
    return values


def lowercase():
    """(first, last, stride, delta) of the characters with one lower-case form."""
    lower = normalizers.Lowercase()
    pairs = []
    for c in CODE_POINTS:
        text = lower.normalize_str(chr(c))
        if text != chr(c) and c != 0x130:
            assert len(text) == 1, hex(c)
            pairs.append((c, ord(text) - c))
    runs = []
    for c, delta in pairs:
        if runs and runs[-1][3] == delta and runs[-1][1] < c:
            first, last, stride, _ = runs[-1]
            if (stride == 0 and c - last in (1, 2)) or (stride and c - last == stride):
                runs[-1] = (first, c, c - last, delta)
                continue
        runs.append((c, c, 0, delta))
    return [(f, l, s or 1, d) for f, l, s, d in runs]


def array(name, kind, rows):
    lines, line = [], ""
    for row in rows:
        if len(line) + len(row) > 115:
            lines.append("    " + line.strip())
            line = ""
        line += row
    return f"const {kind} {name}[] = {{\n" + "\n".join(lines + ["    " + line.strip()]) + "\n};\n" + \
        f"const size_t {name}Count = sizeof({name}) / sizeof({name}[0]);\n"


def runs(values):
    return [f"{{0x{c:x},{values[c]}}}, " for c in range(0x110000) if (values[c] if c == 0 else values[c] != values[c - 1])]


def write(path, arrays):
    text = f"// Made by tests/oracle/make_unicode_tables.py from `tokenizers` {tokenizers.__version__}.\n"
    text += "// Tables, as compact as they can be read.\n// clang-format off\n"
    text += '#include "data/tokenizer/unicode_properties.h"\n\nnamespace plumb::data {\n\n'
    path.write_text(text + "\n".join(arrays) + "\n}  // namespace plumb::data\n")


def main():
    folder = pathlib.Path(sys.argv[1])
    write(folder / "unicode_tables.cpp", [array("kCategoryRuns", "UnicodeRun", runs(classes(CATEGORIES, r"\p{{{}}}+")))])
    names = array("kScriptNames", "char* const", [f'"{n}", ' for n in ["", *SCRIPTS]])
    write(folder / "unicode_tables_scripts.cpp", [
        names, array("kScriptRuns", "UnicodeRun", runs(classes(["Unknown", *SCRIPTS], r"\p{{{}}}+")))])
    write(folder / "unicode_tables_segments.cpp", [array("kSegmentScriptRuns", "UnicodeRun", runs(segment_scripts()))])
    write(folder / "unicode_tables_bits.cpp", [
        array("kTextBitRuns", "UnicodeRun", runs(bits())),
        array("kLowercaseRuns", "LowercaseRun", [f"{{0x{f:x},0x{l:x},{s},{d}}}, " for f, l, s, d in lowercase()])])


if __name__ == "__main__":
    main()
