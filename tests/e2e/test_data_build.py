"""plumb data build as a user starts it: killed at any moment, under mpirun, with rules; data changed under a checkpoint."""
import collections
import gzip
import html
import json
import random
import re
import signal
import subprocess
import time
import unittest

from support import ENVIRONMENT, PLUMB, RunFolder

CONFIG = """
model: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 4,
        num_key_value_heads: 2, max_position_embeddings: 64}
tokenizer: {type: bpe, vocab_size: 400}
data: {sources: [{path: corpus, name: mixed}], sequence_length: 64, validation_share: 5%, cache: cache,
       privacy: {action: replace}, dedup: {exact: true, minhash: true}, threads: 2}
train: {steps: 1, global_batch_size: 1, learning_rate: 1e-3}
output: {folder: run, progress: none}
"""


class DataBuild(RunFolder):
    def corpus(self, documents=20000):
        rng = random.Random(5)
        words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(2000)]
        (self.folder / "corpus").mkdir()
        with gzip.open(self.folder / "corpus/zipped.jsonl.gz", "wt", compresslevel=1) as zipped, \
                open(self.folder / "corpus/plain.jsonl", "w") as plain:
            for number in range(documents):
                text = " ".join(rng.choices(words, k=rng.randint(5, 60)))
                if number % 9 == 0:
                    text = "the same again " * 8
                out = zipped if number % 2 else plain
                out.write(json.dumps({"text": text + f" mail{number}@example.org" * (number % 7 == 0)}) + "\n")
            plain.write("{broken\n")
        (self.folder / "build.yaml").write_text(CONFIG)

    def digests(self, cache, ranks=1):
        out = self.plumb("data", "build", "build.yaml", f"data.cache={self.folder}/{cache}", ranks=ranks).stdout
        return [line.split()[1] for line in out.splitlines() if line.strip().startswith("digest")], out

    def test_killed_ten_times_and_shared_by_three(self):
        self.corpus()
        begin = time.time()
        whole, out = self.digests("whole")
        seconds = time.time() - begin
        self.assertEqual(len(whole), 2)  # train and validation
        for words in ("+ duplicates", "exact", "+ malformed", "plain.jsonl:10001", "email", "dropped in all"):
            self.assertIn(words, out)
        rng, kills = random.Random(3), 0
        command = [PLUMB, "data", "build", "build.yaml", f"data.cache={self.folder}/killed"]
        while kills < 10:
            process = subprocess.Popen(command, cwd=self.folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(seconds * rng.uniform(0.02, 0.2))
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
            if process.returncode == 0:
                break
        self.assertGreaterEqual(kills, 3)
        self.assertEqual(self.digests("killed")[0], whole)
        self.assertEqual(self.digests("three", ranks=3)[0], whole)

    def test_changed_data_under_a_checkpoint_is_refused(self):
        config = self.config(steps=4, save="2 steps")
        self.plumb("train", config)
        with open(self.folder / "text.txt", "a") as text:
            text.write("a sentence more.")
        done = self.plumb("train", config, "train.steps=6", "train.accept_changes=[train.steps]", check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("data", done.stderr)
        self.assertRegex(done.stderr, "[0-9a-f]{16}")  # which digests differ


RULES = """
model: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 4,
        num_key_value_heads: 2, max_position_embeddings: 128}
tokenizer: {type: bytes}
data:
  sources: [{path: web.jsonl, name: web}, {path: notes, name: "<notes>"}]
  sequence_length: 128
  packing: best_fit
  too_long: drop
  validation_share: 20%
  clean: {rules: [gopher_quality], gopher_quality: {min_words: 4, min_stop_words: none}}
  privacy: {drop: [email]}
  dedup: {exact: true}
train: {steps: 1, global_batch_size: 1, learning_rate: 1e-3}
output: {folder: run, progress: none}
"""


class DroppedDocuments(RunFolder):
    """Every planted document stands in dropped.jsonl with the rule that it was planted for."""

    def setUp(self):
        super().setUp()
        self.planted = collections.defaultdict(set)
        (self.folder / "notes").mkdir()
        with open(self.folder / "web.jsonl", "w") as web:
            for i in range(600):
                text, rule = f"document number{i} has words of its own", None
                if i % 10 == 3:
                    text, rule = f"only number{i}", "gopher_quality.min_words"
                elif i % 10 == 5:
                    text, rule = f"write to person{i}@example.org for number{i}", "privacy.email"
                elif i % 10 == 7:
                    text, rule = "document number0 has words of its own", "exact"
                elif i % 50 == 9:
                    text, rule = text + " and of others" * 9, "too_long"
                if rule:
                    self.planted[rule].add(f"web.jsonl:{i + 1}")
                web.write(json.dumps({"text": text}) + "\n" + "{broken\n" * (i == 599))
        for i in range(5):
            (self.folder / f"notes/{i}.txt").write_text("too short" if i == 2 else f"note number{i} has words of its own")
        (self.folder / "build.yaml").write_text(RULES)

    def build(self, cache, *words, ranks=1):
        out = self.plumb("data", "build", "build.yaml", f"data.cache={self.folder}/{cache}", *words, ranks=ranks).stdout
        return out, [self.folder / cache / line.split()[1] for line in out.splitlines() if line.strip().startswith("folder")][1:]  # behind the tokenizer

    def test_rules_places_and_sums(self):
        out, parts = self.build("one", "data.threads=1")
        self.assertEqual(len(parts), 2)
        lists = [(part / "dropped.jsonl").read_text() for part in parts]
        for cache, words, ranks in (("threads", ["data.threads=3"], 1), ("ranks", ["data.threads=1"], 3)):
            self.assertEqual([(part / "dropped.jsonl").read_text() for part in self.build(cache, *words, ranks=ranks)[1]], lists)
        found = collections.defaultdict(set)
        for part, text in zip(parts, lists):
            self.assertNotIn(str(self.folder), text)
            self.assertNotIn("person", text)
            lines = [json.loads(line) for line in text.splitlines()]
            by_source = collections.defaultdict(collections.Counter)
            for line in lines:
                by_source[line["source"]][line["rule"]] += 1
                if line["source"] == "web":
                    found[line["rule"]].add(line["where"])
                if line["rule"] == "exact":
                    self.assertEqual((line["kept"], line["kept_source"]), ("web.jsonl:1", "web"))
                elif line["rule"] == "gopher_quality.min_words":
                    self.assertEqual((line["found"], line["limit"]), (2, 4))
                elif line["rule"] == "too_long":
                    self.assertGreater(line["found"], line["limit"])
                    self.assertEqual(line["limit"], 128)
            self.check_report(part, lines, by_source)
            self.plumb("data", "inspect", "--verify", part)
            self.assertIn(f"dropped in all{len(lines):>18}", out)
        self.assertEqual(found, self.planted)
        self.assertEqual(lines[-1], {"where": "2.txt", "source": "<notes>", "rule": "gopher_quality.min_words", "found": 2, "limit": 4})

    def check_report(self, part, lines, by_source):
        self.plumb("data", "report", part, "--out", part.name)
        report = json.loads((self.folder / part.name / "report.json").read_text())
        totals = sum(by_source.values(), collections.Counter())
        self.assertEqual(report["dropped"], totals)
        self.assertEqual({source["name"]: source["dropped"] for source in report["sources"]}, by_source)
        self.assertEqual(report["clean"]["dropped"], {"gopher_quality.min_words": totals["gopher_quality.min_words"]})
        self.assertEqual(report["privacy"]["dropped"], {"email": totals["privacy.email"]})
        self.assertEqual(report["duplicates"]["exact"], totals["exact"])
        counts = report["totals"]
        self.assertEqual(counts["documents"], counts["kept"] + counts["held_out"] + counts["malformed"] + len(lines))
        page = (self.folder / part.name / "report.html").read_text()
        section = re.search("<h2>Dropped by rule</h2>(.*?)</section>", page, re.S).group(1)
        self.assertIn(f"dropped.jsonl in the dataset names each of these {len(lines)} documents", section)
        rows = [re.findall("<td[^>]*>(.*?)</td>", row) for row in section.split("<tr>")]
        shown = {(row[0], html.unescape(row[1])): int(row[2]) for row in rows if row}
        self.assertEqual(shown, {(rule, source): n for source, rules in (*by_source.items(), ("all", totals)) for rule, n in rules.items()})


if __name__ == "__main__":
    unittest.main()
