"""A base grown for Korean against transformers: the same ids from AutoTokenizer, the same logits, better on Korean."""
import csv
import json
import math
import sys
import unittest
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from support import SHARED, RunFolder, make_korean, make_text  # noqa: E402

BASE = """
model: {{family: llama, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2, num_attention_heads: 4,
        num_key_value_heads: 2, max_position_embeddings: 64, tie_word_embeddings: {tied}}}
tokenizer: {{type: bpe, vocab_size: 290}}
data: {{sources: [{{path: english.txt, format: text}}], sequence_length: 64}}
train: {{steps: 60, global_batch_size: 16, learning_rate: 3e-3, precision: fp32}}
parallel: {{threads: 1}}
output: {{folder: base, progress: lines}}
eval: {{every: none}}
"""
TUNE = """
model: {{base: base}}
{extend}
data: {{sources: [{{path: korean.jsonl, format: text}}], sequence_length: 64, validation_share: 5%}}
method: {{name: pretrain{method}}}
train: {{steps: 60, global_batch_size: 16, learning_rate: 3e-3, precision: fp32}}
parallel: {{threads: 1}}
output: {{folder: {folder}, progress: lines, export: {{formats: [hf], dtype: fp32}}}}
eval:
  every: none
  sets: [{{name: korean, role: domain, path: test.txt, format: text, metric: bits_per_byte}}]
"""


class ExtendOracle(RunFolder):
    def texts(self):
        """Real Korean where it is, so that characters are many; else generated lines."""
        file = SHARED / "data/korean/ChatbotData.csv"
        if not file.exists():
            print("without ../shared/data/korean: generated Korean instead")
            return [make_korean(60, seed=i) for i in range(300)]
        with file.open() as rows:
            return [f"{row['Q']} {row['A']}" for row in csv.DictReader(rows)][:6000]

    def setUp(self):
        super().setUp()
        texts = self.texts()
        (self.folder / "english.txt").write_text(make_text(20000))
        (self.folder / "korean.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts[60:]))
        (self.folder / "test.txt").write_text("\n".join(texts[:60]))
        self.tests = texts[:60] + ["the king speaks to 나는, 12시!", "한국어  두 칸\n\n새 줄", "漢字 и кириллица 🙂", "á가\u1100\u1161"]

    def tune(self, folder, extend=True, tied=False, rows="", method=""):
        if not (self.folder / "base").exists():
            (self.folder / "base.yaml").write_text(BASE.format(tied=str(tied).lower()))
            self.plumb("train", "base.yaml")
        line = f"tokenizer: {{extend: {{tokens: 300, sources: [{{path: korean.jsonl, format: text}}]{rows}}}}}" if extend else ""
        (self.folder / f"{folder}.yaml").write_text(TUNE.format(folder=folder, extend=line, method=method))
        return self.plumb("tune", f"{folder}.yaml")

    def check_ids(self, folder):
        out = self.folder / folder / "export/hf"
        ours, theirs = Tokenizer.from_file(str(out / "tokenizer.json")), AutoTokenizer.from_pretrained(out)
        (self.folder / "lines.txt").write_text("".join(text.replace("\n", " ") + "\n" for text in self.tests))
        printed = self.plumb("tokenizer", "encode", "--tokenizer", f"{folder}/tokenizer", "--lines", "lines.txt").stdout
        used = set()
        for text, line in zip(self.tests, printed.splitlines(), strict=True):
            text = text.replace("\n", " ")
            ids = list(map(int, line.split()))
            self.assertEqual(ids, ours.encode(text, add_special_tokens=False).ids, text)
            self.assertEqual(ids, theirs.encode(text, add_special_tokens=False), text)
            self.assertEqual(theirs.decode(ids, clean_up_tokenization_spaces=False), text)
            used.update(ids)
        self.assertGreater(len([i for i in used if i >= 290]), 50)
        return theirs

    def check_same(self, folder):
        """The run and its export in plumb, and the export in transformers, give one text the same log-likelihood."""
        tokenizer = self.check_ids(folder)
        model = AutoModelForCausalLM.from_pretrained(self.folder / folder / "export/hf", dtype=torch.float32).eval()
        self.assertEqual(model.config.vocab_size, 590)
        self.assertEqual(tuple(model.get_output_embeddings().weight.shape), (590, 64))
        lines = [text.replace("\n", " ") for text in self.tests]
        lines = [line for line in lines if len(tokenizer.encode(line, add_special_tokens=False)) <= 60][:20]
        self.assertGreater(len(lines), 10)
        (self.folder / "lines.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
        (self.folder / "lines.yaml").write_text(
            (self.folder / f"{folder}.yaml").read_text().replace("path: test.txt", "path: lines.jsonl"))
        self.plumb("eval", "lines.yaml", folder, f"{folder}/export/hf", "--json", "scores.json", "train.precision=fp32")
        models = json.loads((self.folder / "scores.json").read_text())["models"]
        for number, line in enumerate(lines):
            ids = tokenizer.encode(line, add_special_tokens=False)
            with torch.no_grad():
                logprob = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)
            expected = -sum(logprob[t, ids[t + 1]].item() for t in range(len(ids) - 1)) / math.log(2)
            for scores in models:
                found = scores["scores"][0]["item_sums"][number]
                self.assertAlmostEqual(found, expected, delta=1e-4 * max(1, len(ids)), msg=f"{folder} {line}")

    def test_ids_logits_and_what_it_brings(self):
        values = {}
        for folder, extend, keys in (("grown", True, {}), ("alone", True, {"rows": ", train: new_rows"}),
                                     ("adapted", True, {"method": ", adapter: lora, lora: {rank: 4}"}), ("plain", False, {})):
            done = self.tune(folder, extend, **keys)
            values[folder] = next(line for line in done.stdout.splitlines() if line.startswith("korean"))
            if extend:
                self.check_same(folder)
        print("\nbits per byte of Korean, base -> tuned, 60 steps:")
        for folder, line in values.items():
            print(f"{folder:8} {line}")


if __name__ == "__main__":
    unittest.main()
