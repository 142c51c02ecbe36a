"""The cleaning rules against PyPI `datatrove`: the same decisions, reasons, removed lines and texts, given the same words
and sentences; and what our own splitter changes, itemised.

datatrove splits English with spaCy where it is installed; else both sides get the words of a plain pattern.
TEST_CLEAN_DRIVER names the built plumb_clean_driver (default: beside TEST_PLUMB's build).
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import cleaning_texts

SOURCE = pathlib.Path(os.environ.get("TEST_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
SHARED = SOURCE.parent / "shared/data"
PLUMB = pathlib.Path(os.environ.get("TEST_PLUMB", SOURCE / "build/release/trainer/plumb"))
DRIVER = os.environ.get("TEST_CLEAN_DRIVER", str(PLUMB.parent.parent / "tests/data/plumb_clean_driver"))

try:
    from datatrove.data import Document
    from datatrove.pipeline.filters import c4_filters, fineweb_quality_filter, gopher_quality_filter
    from datatrove.pipeline.filters import gopher_repetition_filter
    from datatrove.utils import text as datatrove_text
    MISSING = ""
except ImportError as error:
    MISSING = f"needs datatrove ({error})"

REASONS = {
    "gopher_short_doc": "min_words", "gopher_long_doc": "max_words", "gopher_below_avg_threshold": "min_mean_word_length",
    "gopher_above_avg_threshold": "max_mean_word_length", "gopher_too_many_hashes": "max_hash_ratio",
    "gopher_too_many_ellipsis": "max_ellipsis_ratio", "gopher_too_many_bullets": "max_bullet_lines",
    "gopher_too_many_end_ellipsis": "max_ellipsis_lines", "gopher_below_alpha_threshold": "min_alphabetic_words",
    "gopher_enough_stop_words": "min_stop_words", "dup_para_frac": "max_duplicate_paragraphs",
    "dup_para_char_frac": "max_duplicate_paragraph_characters", "dup_line_frac": "max_duplicate_lines",
    "dup_line_char_frac": "max_duplicate_line_characters", "too_few_sentences": "min_sentences",
    "lorem_ipsum": "lorem_ipsum", "curly_bracket": "curly_bracket", "line_punct_ratio": "min_terminal_lines",
    "short_line_ratio": "max_short_lines", "char_dup_ratio": "max_duplicate_line_characters",
    "list_ratio": "max_newlines_per_word", "empty": "empty", "< 3 paragraphs": "min_paragraphs",
    **{f"top_{n}_gram": f"max_top_{n}_gram" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": f"max_duplicate_{n}_grams" for n in range(5, 11)}}
LINES = {"too_long_word": "max_word_length", "no_terminal_punc": "terminal_punctuation", "too_few_words":
         "min_words_per_line", "javascript": "javascript", "policy": "policy"}
NEVER_HERE = {"empty"}  # FineWeb alone, of texts that datatrove's other filters cannot divide by


class Words:
    """Stands in for datatrove's splitters and remembers what it was asked."""

    def __init__(self):
        try:
            import spacy
            self.name = f"spaCy {spacy.__version__}"
            self.spacy = True
        except ImportError:
            self.name = "a plain pattern (spaCy is not installed)"
            self.spacy = False
        self.cache = {}
        self.start()

    def start(self):
        self.asked_words, self.asked_sentences = {}, {}

    def cached(self, kind, text, make):
        if (kind, text) not in self.cache:
            self.cache[kind, text] = make()
        return self.cache[kind, text]

    def words(self, text, language=None):
        make = (lambda: datatrove_text.split_into_words(text)) if self.spacy else (
            lambda: re.findall(r"\w+(?:['.,]\w+)*|\.\.\.|[^\w\s]", text))
        self.asked_words[text] = self.cached("words", text, make)
        return self.asked_words[text]

    def sentences(self, text, language=None):
        make = (lambda: datatrove_text.split_into_sentences(text)) if self.spacy else (
            lambda: re.findall(r".+?(?:[.?!]+(?=\s|$)|$)", text, re.S) or [""])
        self.asked_sentences[text] = self.cached("sentences", text, make)
        return self.asked_sentences[text]


class Driver:
    def __init__(self, *overrides):
        self.process = subprocess.Popen([DRIVER, *overrides], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        encoding="utf-8")

    def ask(self, line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise AssertionError(f"the driver ended with {self.process.wait()} at {line!r:.400}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def cascades():
    """Name, our settings, datatrove's filters."""
    repetition, quality = gopher_repetition_filter.GopherRepetitionFilter, gopher_quality_filter.GopherQualityFilter
    c4, fineweb = c4_filters.C4QualityFilter, fineweb_quality_filter.FineWebQualityFilter
    return [
        ("gopher_repetition", [], [("gopher_repetition", repetition())]),
        ("gopher_quality", [], [("gopher_quality", quality())]),
        ("c4", [], [("c4", c4())]),
        ("c4 as FineWeb has it", ["data.clean.c4.terminal_punctuation=false"],
         [("c4", c4(filter_no_terminal_punct=False))]),
        ("c4 with other thresholds", ["data.clean.c4.remove_citations=false", "data.clean.c4.min_sentences=none",
                                      "data.clean.c4.min_words_per_line=none", "data.clean.c4.max_word_length=none",
                                      "data.clean.c4.lorem_ipsum=false", "data.clean.c4.javascript=false",
                                      "data.clean.c4.curly_bracket=false", "data.clean.c4.policy=false"],
         [("c4", c4(remove_citations=False, min_num_sentences=-1, min_words_per_line=-1, max_word_length=-1,
                    filter_lorem_ipsum=False, filter_javascript=False, filter_curly_bracket=False, filter_policy=False))]),
        ("c4_paragraphs", [], [("c4_paragraphs", c4_filters.C4ParagraphFilter())]),
        ("fineweb", [], [("fineweb", fineweb())]),
        ("fineweb with other thresholds", ["data.clean.fineweb.terminal_lines_or_none=true",
                                           "data.clean.fineweb.short_line_length=60",
                                           "data.clean.fineweb.max_duplicate_line_characters=0.1",
                                           "data.clean.fineweb.min_terminal_lines=0.5"],
         [("fineweb", fineweb(line_punct_exclude_zero=True, short_line_length=60, char_duplicates_ratio=0.1,
                              line_punct_thr=0.5))]),
        ("all as FineWeb runs them", ["data.clean.c4.terminal_punctuation=false"],
         [("gopher_repetition", repetition()), ("gopher_quality", quality()),
          ("c4", c4(filter_no_terminal_punct=False)), ("fineweb", fineweb())]),
    ]


def by_datatrove(filters, text):
    """What datatrove decides, in our words; None where it divides by zero."""
    document, lines = Document(text=text, id="0"), collections.Counter()
    for name, rule in filters:
        rule.stat_update = lambda *labels, **_: lines.update(labels)
        try:
            result = rule.filter(document)
        except ZeroDivisionError:
            return None
        if isinstance(result, tuple) and not result[0]:
            return {"kept": False, "rule": f"{name}.{REASONS[result[1]]}", "lines": removed(lines)}
    return {"kept": True, "rule": "", "text": document.text, "lines": removed(lines)}


def removed(lines):
    return {f"c4.{LINES[k[12:]]}": n for k, n in lines.items() if k.startswith("line-filter-")}


@unittest.skipIf(MISSING, MISSING)
@unittest.skipUnless(os.access(DRIVER, os.X_OK), f"needs {DRIVER}")
class Cleaning(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.words = Words()
        for module in (gopher_quality_filter, gopher_repetition_filter, fineweb_quality_filter):
            module.split_into_words = cls.words.words
        c4_filters.split_into_sentences = cls.words.sentences
        shared = cleaning_texts.shared_texts(SHARED) if SHARED.exists() else []
        cls.texts = shared + list(cleaning_texts.Maker().all(shared))
        if os.environ.get("TEST_CLEAN_EVERY"):
            cls.texts = cls.texts[::int(os.environ["TEST_CLEAN_EVERY"])]
        if not shared:
            print("no ../shared/data: made texts alone")

    def compare(self, name, overrides, filters):
        """Differing decisions with fed words; counts of decisions; what our splitter changes."""
        rules = ", ".join(rule for rule, _ in filters)
        driver = Driver(f"data.clean.rules=[{rules}]", *overrides)
        differing, seen, changes, compared = [], collections.Counter(), collections.Counter(), 0
        for source, text in self.texts:
            if source == "edge:long" and name != "gopher_quality":
                continue  # only its rule for the number of words asks for them
            self.words.start()
            theirs = by_datatrove(filters, text)
            if theirs is None:
                continue
            ours = driver.ask({"text": text, "language": "en", "words": self.words.asked_words,
                               "sentences": self.words.asked_sentences})
            expected = (theirs["kept"], theirs["rule"], theirs.get("text"), theirs["lines"])
            found = (ours["kept"], ours["rule"], ours["text"] if ours["kept"] else None, ours["lines_removed"])
            if expected != found:
                differing.append((source, text, expected, found))
            compared += 1
            seen[theirs["rule"]] += 1
            own = driver.ask({"text": text, "language": "en"})
            if own["rule"] != theirs["rule"]:
                changes[theirs["rule"] or "kept", own["rule"] or "kept", source.split(":")[0]] += 1
        driver.close()
        print(f"\n{name}: {compared} texts, words of {self.words.name}: {len(differing)} decisions differ")
        for (before, after, source), count in sorted(changes.items()):
            print(f"    our splitter: {count:4d} of {source:17s} {before} -> {after}")
        return differing, seen

    def test_same_decisions(self):
        reached = collections.Counter()
        for name, overrides, filters in cascades():
            with self.subTest(name):
                differing, seen = self.compare(name, overrides, filters)
                for source, text, expected, found in differing[:3]:
                    print(f"    {source}: {text[:300]!r}\n      datatrove {expected!r:.600}\n      plumb     {found!r:.600}")
                self.assertEqual(len(differing), 0)
                reached += seen
        if os.environ.get("TEST_CLEAN_EVERY"):
            return
        # Every reason was given, so that every threshold was met from both sides.
        missing = [f"{rule}.{REASONS[reason]}" for rule, reasons in self.reasons().items() for reason in reasons
                   if not reached[f"{rule}.{REASONS[reason]}"]]
        self.assertEqual(missing, [])

    @staticmethod
    def reasons():
        quality = [r for r in REASONS if r.startswith("gopher_")]
        repetition = [r for r in REASONS if r.startswith(("dup", "top_"))]
        return {"gopher_quality": quality, "gopher_repetition": repetition + ["empty"],
                "c4": ["too_few_sentences", "lorem_ipsum", "curly_bracket"], "c4_paragraphs": ["< 3 paragraphs"],
                "fineweb": ["line_punct_ratio", "short_line_ratio", "char_dup_ratio", "list_ratio", "empty"]}


if __name__ == "__main__":
    unittest.main()
