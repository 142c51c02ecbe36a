"""`plumb data report`: the account of a dataset, or of all of a run, whose documents were planted, so that every number is known."""
import hashlib
import html.parser
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

PLUMB = os.environ["TEST_PLUMB"]
SECRET = "kim.minsu@example-hospital.co.kr"
CONFIG = """
model: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 64}
tokenizer: {type: bytes}
data:
  sources:
    - {name: "notes <b>", path: notes.jsonl, format: text, license: CC-BY-4.0, language: en}
    - {name: made, path: made.jsonl, format: text, synthetic: true}
  sequence_length: 64
  privacy: {action: replace}
  dedup: {exact: true}
train: {steps: 2, global_batch_size: 2, learning_rate: 1e-3, precision: fp32}
output: {folder: run}
"""


class Page(html.parser.HTMLParser):
    """Tables as lists of rows of text; open tags that never close are a mistake."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.open, self.bars, self.cell = [], [], 0, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.bars += tag == "rect"
        if tag in ("meta", "rect", "br"):
            return
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.cell = ""

    def handle_endtag(self, tag):
        if tag not in ("rect", "br"):
            assert self.open.pop() == tag, tag
        if tag in ("td", "th"):
            self.tables[-1][-1].append(self.cell)
            self.cell = None

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def table(self, heading):
        return next({row[0]: row[1:] for row in table[1:]} for table in self.tables if table[0][0] == heading)


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (cls.folder / "config.yaml").write_text(CONFIG)
        notes = [{"text": f"note number {i}, of some length", "url": f"https://www.site{i % 3}.example.com/{i}"} for i in range(50)]
        notes += notes[:7]
        notes.append({"text": f"write to {SECRET} today", "url": "https://a.example.org/"})
        lines = [json.dumps(note) for note in notes] + [f'{{"id": "{SECRET}", "text": "{SECRET}', '{"text": "   "}']
        (cls.folder / "notes.jsonl").write_text("\n".join(lines) + "\n")
        (cls.folder / "made.jsonl").write_text(json.dumps({"text": "a text that a model wrote, of one hundred and some bytes " * 3}) + "\n")
        run = lambda *words: subprocess.run([PLUMB, *words], cwd=cls.folder, capture_output=True, text=True, check=True).stdout
        cls.ledger = run("data", "build", "config.yaml")
        cls.strict = subprocess.run([PLUMB, "data", "build", "config.yaml", "data.strict=true"], cwd=cls.folder, capture_output=True, text=True)
        cls.dataset = re.search(r"folder\s+(\S+)\n\Z", cls.ledger).group(1)
        run("data", "report", cls.dataset + "/", "--out", "report")
        cls.files = {path.name: path.read_text() for path in (cls.folder / "report").iterdir()}
        cls.page = Page(cls.files["report.html"])

    def test_the_page_balances(self):
        self.assertEqual(self.page.open, [])
        documents = {name: int(cells[0].replace(",", "")) for name, cells in self.page.table("documents").items()}
        self.assertEqual(documents, {"read": 61, "kept": 52, "malformed, in quarantine": 1, "duplicates": 7, "empty": 1})
        tokens = {name: int(cells[0].replace(",", "")) for name, cells in self.page.table("tokens").items()}
        self.assertEqual(tokens["in"], sum(n for name, n in tokens.items() if name not in ("in", "positions of all sequences", "of these padding")))
        self.assertEqual(self.page.table("duplicates")["exact copies"][0], "7")
        self.assertEqual(self.page.table("kind")["email"][0], "1")
        domains = self.page.table("domain")
        self.assertEqual(sum(int(cells[0]) for name, cells in domains.items() if name.startswith("example")), 51)

    def test_the_picture_has_a_bar_for_each_length(self):
        report = json.loads(self.files["report.json"])
        bars = 0
        for counts in (report["lengths"]["tokens"], report["lengths"]["bytes"]):
            used = [k for k, n in enumerate(counts) if n]
            bars += used[-1] - used[0] + 1
            self.assertEqual(sum(counts), 52)
        self.assertEqual(self.page.bars, bars)

    def test_no_value_of_a_person_and_no_foreign_markup_gets_out(self):
        for name, text in self.files.items():
            self.assertNotIn("kim.minsu", text, name)
        self.assertNotIn("kim.minsu", self.ledger + self.strict.stdout + self.strict.stderr)
        self.assertIn("notes.jsonl:59", self.strict.stderr)
        for path in pathlib.Path(self.dataset).glob("*.json*"):
            self.assertNotIn("kim.minsu", path.read_text(), path.name)
        self.assertIn("notes.jsonl:59", (pathlib.Path(self.dataset) / "quarantine.jsonl").read_text())
        self.assertNotIn("notes <b>", self.files["report.html"])
        self.assertIn("notes &lt;b&gt;", self.files["report.html"])
        self.assertNotRegex(self.files["report.html"], r"(?i)<script|src=|href=|url\(")

    def test_croissant_names_every_file_with_its_hash(self):
        croissant = json.loads(self.files["croissant.json"])
        self.assertEqual(croissant["conformsTo"], "http://mlcommons.org/croissant/1.1")
        self.assertEqual(croissant["name"], pathlib.Path(self.dataset).name)
        self.assertEqual(croissant["license"], ["CC-BY-4.0"])
        files = {f["name"]: f["sha256"] for f in croissant["distribution"] if f["@type"] == "cr:FileObject"}

        self.assertEqual(files, {name: hashlib.sha256((self.folder / name).read_bytes()).hexdigest() for name in ("notes.jsonl", "made.jsonl")})
        sets = {s["@id"] for s in croissant["distribution"] if s["@type"] == "cr:FileSet"}
        self.assertTrue(all(f["containedIn"]["@id"] in sets for f in croissant["distribution"] if f["@type"] == "cr:FileObject"))
        self.assertEqual(len(croissant["wasDerivedFrom"]), 2)
        for key in ("@context", "@type", "conformsTo", "name", "description", "url", "license", "creator", "datePublished",
                    "distribution"):  # those that Croissant 1.1 requires
            self.assertTrue(croissant.get(key), key)
        for part in croissant["distribution"]:
            self.assertTrue(part["includes"] if part["@type"] == "cr:FileSet" else part["contentUrl"], part)

    def plumb(self, *words):
        return subprocess.run([PLUMB, *words], cwd=self.folder, capture_output=True, text=True, check=True).stdout

    def test_two_sources_of_one_name_and_names_that_are_markup(self):
        for folder in ("a", "b"):
            (self.folder / folder).mkdir()
            (self.folder / folder / "same.jsonl").write_text(json.dumps({"text": f"a text of {folder} alone " * 9}) + "\n")
        config = CONFIG.replace('"notes <b>"', '"two\\nlines | *[x](http://x.example)"').replace("path: notes.jsonl", "path: a/same.jsonl")
        config = config.replace("name: made, path: made.jsonl", "name: \"two\\nlines | *[x](http://x.example)\", path: b/same.jsonl")
        (self.folder / "same.yaml").write_text(config)
        dataset = re.search(r"folder\s+(\S+)\n\Z", self.plumb("data", "build", "same.yaml")).group(1)
        self.plumb("data", "report", dataset, "--out", "same-report")
        parts = json.loads((self.folder / "same-report/croissant.json").read_text())["distribution"]
        self.assertEqual(len({part["@id"] for part in parts}), 4)
        files = [part for part in parts if part["@type"] == "cr:FileObject"]
        self.assertEqual(len({part["containedIn"]["@id"] for part in files}), 2)
        rows = [line for line in (self.folder / "same-report/eu-summary.md").read_text().splitlines() if "two" in line]
        self.assertEqual(len(rows), 2)
        for row in rows:
            self.assertTrue(row.startswith(r"| two lines \| \*\[x\](http://x.example) |"), row)

    def test_a_mix_names_the_files_of_its_own_source(self):
        mixed = CONFIG.replace("license: CC-BY-4.0,", "license: CC-BY-4.0, weight: 1,").replace("synthetic: true", "synthetic: true, weight: 1")
        (self.folder / "mixed.yaml").write_text(mixed)
        out = self.plumb("data", "build", "mixed.yaml")
        datasets = re.findall(r"folder\s+(\S+)\n", out)[1:]
        for dataset, name in zip(datasets, ("notes.jsonl", "made.jsonl")):
            self.plumb("data", "report", dataset, "--out", f"of-{name}")
            croissant = json.loads((self.folder / f"of-{name}/croissant.json").read_text())
            self.assertEqual([f["name"] for f in croissant["distribution"] if f["@type"] == "cr:FileObject"], [name])
            self.assertEqual(len(croissant["wasDerivedFrom"]), 1)
        self.plumb("data", "report", *datasets, "--out", "both")
        both = json.loads((self.folder / "both/report.json").read_text())
        self.assertEqual(both["dropped"], {"exact": 7, "empty": 1})
        self.assertIn("dropped.jsonl in the dataset names each of these 8 documents", (self.folder / "both/report.html").read_text())

    def test_the_summary_fills_tables_and_attests_nothing(self):
        summary = self.files["eu-summary.md"]
        self.assertIn("| notes &lt;b&gt; | CC-BY-4.0 | 51 |", summary)
        self.assertNotIn("<b>", summary)
        self.assertRegex(summary.split("### 2.5")[1], r"\| made \| _to be stated by the provider_ \| 1 \|")
        self.assertGreaterEqual(summary.count("_to be stated by the provider_"), 12)
        self.assertIn("7 duplicates were dropped", summary)
        self.assertIn("1 values found", summary)

    def test_an_imported_dataset_has_an_account_too(self):
        run = lambda *words: subprocess.run([PLUMB, "data", *words], cwd=self.folder, capture_output=True, text=True, check=True)
        run("export", self.dataset, "corpus")
        run("import", "corpus", "imported", "--tokenizer", self.dataset + "/tokenizer.json", "--sequence-length", "64")
        run("report", "imported", "--out", "imported-report")
        page = Page((self.folder / "imported-report/report.html").read_text())
        self.assertEqual(page.table("documents")["kept"][0], "52")

    def test_something_else_is_refused(self):
        done = subprocess.run([PLUMB, "data", "report", str(self.folder)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("hint", done.stderr)


class Encodings(unittest.TestCase):
    """A text of another encoding is set aside and named; stray bytes in UTF-8 are read, counted, and their place is said."""

    def test_what_is_no_utf8_is_named(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "texts").mkdir()
        korean, stray = "옛날 방식으로 저장한 문서입니다.\n" * 3, "여기에는 깨진 바이트가 하나 있다. ".encode()
        (folder / "texts/a.txt").write_text(korean)
        (folder / "texts/b.txt").write_bytes(korean.encode("cp949"))
        (folder / "texts/c.md").write_bytes(b"# Caf\xe9\n")
        (folder / "texts/d.md").write_bytes(stray + b"\xff" + stray)
        (folder / "config.yaml").write_text(CONFIG[:CONFIG.index("  sources:")] + """  sources: [{path: texts, format: text}]
  sequence_length: 64
""" + CONFIG[CONFIG.index("train:"):])
        run = lambda *words: subprocess.run([PLUMB, *words], cwd=folder, capture_output=True, text=True)
        for options in ([], ["data.clean.repair=true"]):
            ledger = run("data", "build", "config.yaml", *options).stdout
            self.assertRegex(ledger, r"\+ malformed +2 ")
            self.assertIn("b.txt: expected UTF-8, found another encoding: beyond ASCII ", ledger)
            self.assertIn("are, the first on line 1, byte 0; hint: convert it from what it was written in: iconv -f CP949", ledger)
            self.assertIn("c.md: expected UTF-8, found another encoding: beyond ASCII 1 byte sequences", ledger)
            self.assertIn(f"      first in d.md, byte {len(stray)}\n", ledger)
            dataset = re.search(r"folder\s+(\S+)\n\Z", ledger).group(1)
            self.assertEqual([json.loads(line)["where"] for line in (pathlib.Path(dataset) / "quarantine.jsonl").read_text().splitlines()],
                             ["b.txt", "c.md"])
            run("data", "report", dataset, "--out", "report")
            totals = json.loads((folder / "report/report.json").read_text())["totals"]
            self.assertEqual((totals["kept"], totals["malformed"], totals["first_invalid_utf8"]), (2, 2, f"d.md, byte {len(stray)}"))
            self.assertIn(f"<p>1 sequences, the first in d.md, byte {len(stray)}.</p>", (folder / "report/report.html").read_text())
        done = run("data", "build", "config.yaml", "data.strict=true", "data.cache=unbuilt")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"texts/b\.txt: error: expected UTF-8, .*\n +hint: convert it from .* iconv -f CP949 -t UTF-8")
        (folder / "texts/d.md").unlink()
        self.assertNotIn("UTF-8", run("data", "build", "config.yaml", "data.sources=[{path: texts/a.txt, format: text}]").stdout)


ITEM = "Which river flows through the old town of Heidelberg before it meets the Rhine near Mannheim?"
CONTAMINATED = """
model: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 64}
tokenizer: {type: bytes}
data:
  sources: [{name: web, path: web, format: text, language: en}, {name: other, path: other.jsonl, format: text}]
  sequence_length: 64
  decontaminate: {action: ACTION, sets: [{name: rivers, path: rivers.jsonl, format: prompt_completion}]}
train: {steps: 2, global_batch_size: 2, learning_rate: 1e-3, precision: fp32}
output: {folder: run}
"""


class Contaminated(unittest.TestCase):
    """Which document holds which item, where; and what of the sources nobody read."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        web = cls.folder / "web"
        (web / "deep").mkdir(parents=True)
        (web / "a.jsonl").write_text("".join(json.dumps({"text": f"a page about number {i}"}) + "\n" for i in range(5))
                                     + json.dumps({"text": f"Quiz. {ITEM.upper()} Who knows?"}) + "\n")
        (web / "page.html").write_text(f"<body><nav>home about</nav><p>{ITEM}</p><p>{'More is said below. ' * 9}</p></body>")
        (web / "deep/notes.rst").write_text("not read")
        (web / "deep/table.xlsx").write_text("not read")
        (cls.folder / "other.jsonl").write_text("".join(json.dumps({"text": f"another text {i}"}) + "\n" for i in range(4)))
        (cls.folder / "rivers.jsonl").write_text(json.dumps({"prompt": "too short", "completion": "yes"}) + "\n"
                                                 + json.dumps({"prompt": ITEM, "completion": "The Neckar"}) + "\n")

    def report(self, action):
        (self.folder / "config.yaml").write_text(CONTAMINATED.replace("ACTION", action))
        run = lambda *words: subprocess.run([PLUMB, *words], cwd=self.folder, capture_output=True, text=True, check=True).stdout
        ledger = run("data", "build", "config.yaml")
        dataset = re.search(r"folder\s+(\S+)\n\Z", ledger).group(1)
        run("data", "report", dataset, "--out", action)
        page = Page((self.folder / action / "report.html").read_text())
        return ledger, json.loads((self.folder / action / "report.json").read_text()), page, pathlib.Path(dataset)

    def test_documents_spans_and_sets(self):
        for action, outcome in (("report", "reported"), ("mask", "masked"), ("drop", "dropped")):
            ledger, report, page, dataset = self.report(action)
            found = report["decontamination"]
            self.assertEqual(found["documents_" + outcome], 2, found)
            lines = [json.loads(line) for line in (dataset / "contamination.jsonl").read_text().splitlines()]
            self.assertEqual([(d["where"], d["source"], d["outcome"], d["ngrams"]) for d in lines],
                             [("a.jsonl:6", "web", outcome, 4), ("page.html", "web", outcome, 4)])
            self.assertEqual(found["largest"], lines)
            self.assertEqual(lines[0]["largest"], [{"set": "rivers", "item": 1, "begin": 6, "end": 6 + len(ITEM) - 1,
                                                    "ngrams": 4, "share": 0.889}])
            self.assertEqual(found["looked_for"], {"rivers": {"items": 2, "too_short": 1, "template_ngrams": 0}})
            rows = page.table("document")
            self.assertEqual(rows["a.jsonl:6"], ["web", outcome, "rivers", "1", f"6 to {6 + len(ITEM) - 1}", "4", "89 %"])
            self.assertEqual(page.table("evaluation set")["rivers"][-1], "1")
            self.assertEqual("documents with passages of evaluation sets" in ledger, action != "drop")
            self.assertEqual(report["totals"]["contaminated"], 2 if action == "drop" else 0)
            subprocess.run([PLUMB, "data", "inspect", "--verify", dataset], check=True, capture_output=True)
        self.assertNotIn("HEIDELBERG", (self.folder / "mask/report.html").read_text())

    def test_what_nobody_read_is_named(self):
        ledger, report, page, dataset = self.report("report")
        self.assertEqual(report["passed_over"], [{"source": "web", "files": 2, "first": ["deep/notes.rst", "deep/table.xlsx"]}])
        names = next(table[1] for table in page.tables if table[0][-1] == "the first of them")
        self.assertEqual(names, ["web", "2", "deep/notes.rst, deep/table.xlsx"])
        self.assertRegex(ledger, r"files not read +2  of source web")
        self.assertGreater(report["left_out"]["html.boilerplate"], 0)
        self.assertIn("html.boilerplate", ledger)
        digest = re.search(r"digest +(\S+)", ledger).group(1)
        (self.folder / "web/deep/notes.rst").unlink()
        ledger, report, _, _ = self.report("report")  # another list, no other dataset
        self.assertEqual(report["passed_over"][0]["files"], 1)
        self.assertIn(digest, ledger)
        (self.folder / "web/deep/notes.rst").write_text("not read")

    def test_languages_are_those_of_the_sources_where_none_was_looked_for(self):
        _, report, page, _ = self.report("report")
        self.assertEqual(report["languages"], {})
        self.assertEqual({name: amount[0] for name, amount in report["stated_languages"].items()}, {"en": 7, "": 4})
        self.assertEqual(page.table("language as its source states it")["(not stated)"][0], "4")


RUN = """
model: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 64}
tokenizer: {type: bytes}
data:
  sources:
    - {name: web, path: web.jsonl, format: text, weight: 3, license: CC-BY-4.0}
    - {name: books, path: books.jsonl, format: text, weight: 1, language: en}
    - {name: later, path: later.jsonl, format: text, weight: 0}
  curriculum: [{from: 8 steps, weights: {web: 0, books: 1, later: 1}}]
  replay: {share: 25%, sources: [{name: web, path: old/web.jsonl, format: text}, {name: chat, path: old/chat.jsonl, format: text}]}
  sequence_length: 64
  dedup: {exact: true}
train: {steps: 12, global_batch_size: 4, micro_batch_size: 2, learning_rate: 1e-3, precision: fp32, schedule: {warmup: 1 steps}}
parallel: {threads: 1}
output: {folder: run, name: "a <run>", progress: none, checkpoint: {every: 6 steps, keep_last: 9}}
eval: {every: none}
"""


class OfARun(unittest.TestCase):
    """What a run read, dataset by dataset and source by source, against the documents of every step."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (cls.folder / "config.yaml").write_text(RUN)
        (cls.folder / "old").mkdir()
        for name, rows, length in (("web", 40, 30), ("books", 7, 60), ("later", 9, 20), ("old/web", 6, 40), ("old/chat", 30, 9)):
            texts = (json.dumps({"text": f"{name} {i}: " + "abc " * (i % length + 5), "url": f"https://{name[-4:]}.example.com/{i}"}) for i in range(rows))
            (cls.folder / f"{name}.jsonl").write_text("".join(text + "\n" for text in texts))
        cls.plumb("train", "config.yaml")
        cls.plumb("data", "report", "run")
        cls.files = {path.name: path.read_text() for path in (cls.folder / "run-report").iterdir()}
        cls.report = json.loads(cls.files["report.json"])

    @classmethod
    def plumb(cls, *words, expect=0):
        done = subprocess.run([PLUMB, *map(str, words)], cwd=cls.folder, capture_output=True, text=True)
        assert done.returncode == expect, (words, done.stdout, done.stderr)
        return done.stderr if expect else done.stdout

    def readings(self, pieces):
        """part -> (rows, {source: tokens}) of these pieces."""
        parts = {}
        for piece in pieces:
            rows, tokens = parts.setdefault(piece["part"], (set(), {}))
            rows.add(piece["sequence"])
            tokens[piece["source"]] = tokens.get(piece["source"], 0) + piece["end"] - piece["begin"]
        return {part: (len(rows), tokens) for part, (rows, tokens) in parts.items()}

    def test_every_token_of_every_step_is_counted(self):
        pieces = []
        for step in range(1, 13):
            self.plumb("data", "lineage", "run", "--step", step, "--json", "step.jsonl")
            pieces += [json.loads(line) for line in (self.folder / "step.jsonl").read_text().splitlines()]
        expected = self.readings(pieces)
        self.assertEqual(sorted(expected), ["books", "later", "replay", "web"])
        self.assertEqual(self.report["steps"], 12)
        for dataset in self.report["datasets"]:
            rows, tokens = expected[dataset["name"]]
            self.assertEqual((dataset["read"]["rows"], dataset["read"]["tokens"]), (rows, sum(tokens.values())), dataset["name"])
            self.assertEqual(dataset["read"]["positions"], 64 * rows)
            self.assertAlmostEqual(dataset["read"]["epochs"], rows / dataset["rows"])
            self.assertEqual(dataset["replay"], dataset["name"] == "replay")
            own = {source["name"]: source["tokens_read"] for source in self.report["sources"] if source["dataset"] == dataset["name"]}
            self.assertEqual(own, tokens)
        epochs = next(dataset["read"]["epochs"] for dataset in self.report["datasets"] if dataset["name"] == "books")
        self.assertTrue(epochs > 2 and epochs % 1 > 0, f"{epochs}: whole epochs and a part of one")
        self.assertEqual(self.report["read"]["rows"], 48)
        self.assertEqual(self.report["read"]["tokens"], sum(sum(tokens.values()) for _, tokens in expected.values()))
        # The newest checkpoint says how far.
        os.rename(self.folder / "run/step-12", self.folder / "step-12")
        try:
            self.plumb("data", "report", "run", "--out", "half")
        finally:
            os.rename(self.folder / "step-12", self.folder / "run/step-12")
        half = json.loads((self.folder / "half/report.json").read_text())
        self.assertEqual({d["name"]: d["read"]["rows"] for d in half["datasets"]},
                         {part: rows for part, (rows, _) in self.readings(p for p in pieces if p["step"] <= 6).items()} | {"later": 0})

    def test_shares_of_the_summary_are_those_of_what_was_read(self):
        summary = self.files["eu-summary.md"]
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in summary.split("## 2.")[1].splitlines() if line.startswith("| ")]
        head, rows = rows[0], [row for row in rows if len(row) == len(rows[0])][1:]
        self.assertEqual(head, ["name", "dataset", "used for", "licence", "documents", "tokens", "tokens read", "share", "large (3 % or more)"])
        self.assertEqual([row[:3] for row in rows], [["web", "web", "training"], ["books", "books", "training"], ["later", "later", "training"],
                                                     ["web", "replay", "replay"], ["chat", "replay", "replay"]])
        whole = self.report["read"]["tokens"]
        for row, source in zip(rows, self.report["sources"]):
            self.assertEqual(row[6], f"{source['tokens_read']:,}")
            self.assertEqual(row[7], f"{100 * source['tokens_read'] / whole:.1f} %")
        self.assertAlmostEqual(sum(float(row[7][:-2]) for row in rows), 100, delta=0.3)
        self.assertIn("of run a &lt;run&gt; up to step 12", summary)
        self.assertIn(f"| Read in training, in {48 * 64:,} positions | {whole:,} tokens |", summary)

    def test_the_page_names_datasets_and_balances(self):
        page = Page(self.files["report.html"])
        self.assertEqual(page.open, [])
        self.assertIn("Training data of a &lt;run&gt;", self.files["report.html"])
        datasets = page.table("dataset")
        self.assertEqual({name: cells[1] for name, cells in datasets.items()},
                         {"web": "training", "books": "training", "later": "training", "replay": "replay"})
        documents = {name: int(cells[0].replace(",", "")) for name, cells in page.table("documents").items()}
        self.assertEqual(documents["read"], sum(n for name, n in documents.items() if name != "read"))
        self.assertEqual(documents["read"], 40 + 7 + 9 + 6 + 30)

    def test_ids_are_unique_and_every_file_stands_once(self):
        croissant = json.loads(self.files["croissant.json"])
        ids = [part["@id"] for part in croissant["distribution"]]
        self.assertEqual(len(set(ids)), len(ids))
        files = [part for part in croissant["distribution"] if part["@type"] == "cr:FileObject"]
        self.assertEqual({f["sha256"] for f in files},
                         {hashlib.sha256((self.folder / f"{name}.jsonl").read_bytes()).hexdigest() for name in ("web", "books", "later", "old/web", "old/chat")})
        self.assertEqual(len(files), 5)
        self.assertTrue(all(f["containedIn"]["@id"] in ids for f in files))
        self.assertEqual([part["identifier"] for part in croissant["hasPart"]], [dataset["digest"] for dataset in self.report["datasets"]])
        self.assertIn("replay", croissant["hasPart"][3]["description"])

    def test_datasets_given_by_hand(self):
        folders = [dataset["folder"] for dataset in json.loads((self.folder / "run/manifest.json").read_text())["datasets"]]
        self.plumb("data", "report", *folders)
        report = json.loads((self.folder / "datasets-report/report.json").read_text())
        self.assertEqual(report["totals"], self.report["totals"])
        self.assertNotIn("read", report)
        self.assertFalse(any("tokens_read" in source for source in report["sources"]))
        self.assertIn("| name | dataset | licence |", (self.folder / "datasets-report/eu-summary.md").read_text())
        self.assertIn("is given twice", self.plumb("data", "report", folders[0], folders[0], expect=2))
        self.assertIn("is a run, found among 2 folders", self.plumb("data", "report", "run", folders[0], expect=2))
        self.plumb("data", "build", "config.yaml", "tokenizer.special_tokens.extra=[<x>]", "output.folder=other")
        other = max((path for path in (self.folder / "cache").iterdir() if (path / "manifest.json").exists()), key=lambda path: path.stat().st_ctime)
        refused = self.plumb("data", "report", folders[0], other, expect=2)
        self.assertIn("expected the tokenizer of", refused)
        self.assertEqual(refused.count("error:"), 1, refused)

    def test_a_run_without_a_checkpoint_is_refused(self):
        (self.folder / "begun").mkdir()
        (self.folder / "begun/resolved.yaml").write_text((self.folder / "run/resolved.yaml").read_text())
        self.assertIn("has no good checkpoint yet", self.plumb("data", "report", "begun", expect=2))


if __name__ == "__main__":
    unittest.main()
