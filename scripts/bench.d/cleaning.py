"""The rules of Gopher, C4 and FineWeb in plumb and in datatrove, in FineWeb's order and with its settings, on one thread.

Texts are those of ../shared/data (English). Both sides take turns; processor time is compared, as MB of text a second.
Twice: each with its own splitter of words (datatrove: spaCy where it is installed, else a plain pattern, which is faster),
and with words and sentences found beforehand, which leaves the rules alone.
"""
import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

RULES = ["gopher_repetition", "gopher_quality", "c4", "fineweb"]
SETTINGS = ["data.clean.rules=[" + ", ".join(RULES) + "]", "data.clean.c4.terminal_punctuation=false"]


class Datatrove:
    def __init__(self):
        from datatrove.data import Document
        from datatrove.pipeline.filters import c4_filters, fineweb_quality_filter, gopher_quality_filter
        from datatrove.pipeline.filters import gopher_repetition_filter
        from datatrove.utils import text
        self.document, self.splitters, self.c4 = Document, text, c4_filters
        self.word_users = [gopher_repetition_filter, gopher_quality_filter, fineweb_quality_filter]
        self.filters = [gopher_repetition_filter.GopherRepetitionFilter(), gopher_quality_filter.GopherQualityFilter(),
                        c4_filters.C4QualityFilter(filter_no_terminal_punct=False),
                        fineweb_quality_filter.FineWebQualityFilter()]
        try:
            import spacy
            self.words, self.name = text.split_into_words, f"spaCy {spacy.__version__}"
            self.sentences = text.split_into_sentences
        except ImportError:
            self.name = "a plain pattern"
            self.words = lambda text, language=None: re.findall(r"\w+(?:['.,]\w+)*|\.\.\.|[^\w\s]", text)
            self.sentences = lambda text, language=None: re.findall(r".+?(?:[.?!]+(?=\s|$)|$)", text, re.S) or [""]
        self.use(self.words, self.sentences)

    def use(self, words, sentences):
        for module in self.word_users:
            module.split_into_words = words
        self.c4.split_into_sentences = sentences

    def judge(self, text):
        document = self.document(text=text, id="0")
        for rule in self.filters:
            result = rule.filter(document)
            if isinstance(result, tuple) and not result[0]:
                return False
        return True

    def remember(self, texts):
        """Finds all words and sentences once; later turns look them up."""
        known = {"words": {}, "sentences": {}}

        def recording(kind, make):
            def split(text, language=None):
                if text not in known[kind]:
                    known[kind][text] = make(text)
                return known[kind][text]
            return split

        self.use(recording("words", self.words), recording("sentences", self.sentences))
        for text in texts:
            self.judge(text)
        self.use(lambda text, language=None: known["words"][text], lambda text, language=None: known["sentences"][text])
        return known

    def turn(self, texts):
        self.splitters.split_into_parts.cache_clear()
        start = time.process_time()
        kept = sum(self.judge(text) for text in texts)
        return time.process_time() - start, kept


class Plumb:
    def __init__(self, driver):
        self.process = subprocess.Popen([driver, *SETTINGS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def turn(self, texts, seconds, **more):
        self.process.stdin.write(json.dumps({"bench": seconds, "texts": texts, "language": "en", **more}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["bytes"] / answer["seconds"] / 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", required=True)
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--texts", type=int, default=600, help="so many of the texts")
    options = parser.parse_args()
    data = options.root.parent / "shared/data"
    if not data.exists():
        sys.exit(f"no texts: {data} is not there")
    sys.path.insert(0, str(options.root / "tests/oracle"))
    import cleaning_texts
    all_texts = [text for source, text in cleaning_texts.shared_texts(data) if source != "korean"]
    texts = all_texts[::max(1, len(all_texts) // options.texts)]
    size = sum(len(text.encode()) for text in texts) / 1e6
    theirs, ours = Datatrove(), Plumb(options.driver)
    print(f"{len(texts)} texts, {size:.1f} MB; words of datatrove by {theirs.name}; {options.turns} turns, medians")
    report("splitting and rules", theirs, ours, texts, size, options.turns, {})
    known = theirs.remember(texts)
    report("rules alone", theirs, ours, texts, size, options.turns, known)


def report(what, theirs, ours, texts, size, turns, known):
    theirs.turn(texts[:20])
    speeds = {"datatrove": [], "plumb": []}
    for _ in range(turns):
        speeds["datatrove"].append(size / theirs.turn(texts)[0])
        speeds["plumb"].append(ours.turn(texts, 0.5, **known))
    ratios = [p / d for p, d in zip(speeds["plumb"], speeds["datatrove"])]
    print(f"  {what:20s} datatrove {statistics.median(speeds['datatrove']):7.2f} MB/s   plumb "
          f"{statistics.median(speeds['plumb']):7.1f} MB/s   ratio {statistics.median(ratios):6.1f} "
          f"({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
