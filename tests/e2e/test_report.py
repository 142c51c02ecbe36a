"""`plumb data report`: the account of a dataset whose documents were planted, so that every number is known."""
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

    def test_the_summary_fills_tables_and_attests_nothing(self):
        summary = self.files["eu-summary.md"]
        self.assertIn("| notes <b> | CC-BY-4.0 | 51 |", summary)
        self.assertRegex(summary.split("### 2.5")[1], r"\| made \| _to be stated by the provider_ \| 1 \|")
        self.assertGreaterEqual(summary.count("_to be stated by the provider_"), 12)
        self.assertIn("7 duplicates were dropped", summary)
        self.assertIn("1 values found", summary)

    def test_something_else_is_refused(self):
        done = subprocess.run([PLUMB, "data", "report", str(self.folder)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("hint", done.stderr)


if __name__ == "__main__":
    unittest.main()
