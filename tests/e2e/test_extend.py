"""A base's vocabulary grown for a language: tokens, rows, training, adapters, resume, export."""
import json
import os
import random
import signal
import struct
import subprocess
import time
import unittest

from support import ENVIRONMENT, PLUMB, SHARED, RunFolder, make_korean, make_text

EXTEND = """
model: {{base: base}}
tokenizer: {{extend: {{tokens: {tokens}, sources: [{{path: korean.txt, format: text}}]{rows}}}}}
data: {{sources: [{{path: korean.txt, format: text}}], sequence_length: 32, validation_share: 10%}}
method: {{name: pretrain{method}}}
train: {{steps: {steps}, global_batch_size: 8, micro_batch_size: 2, learning_rate: 3e-3, precision: fp32,
        schedule: {{warmup: 1 steps}}, optimizer: {{weight_decay: 0.1}}}}
parallel: {{threads: 1{parallel}}}
output: {{folder: {folder}, log_every: 1 steps, progress: lines, checkpoint: {{every: 5 steps}},
         export: {{formats: [hf], dtype: fp32}}}}
eval:
  every: none
  sets:
    - {{name: korean, role: domain, path: test.txt, format: text, metric: bits_per_byte}}
    - {{name: english, role: general, path: english.txt, format: text, metric: bits_per_byte}}
"""


def tensors(file):
    """name -> (dtype, shape, bytes) of a .safetensors file."""
    data = file.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"], data[8 + size + entry["data_offsets"][0]:8 + size + entry["data_offsets"][1]])
            for name, entry in header.items()}


class Extend(RunFolder):
    tied = False

    def setUp(self):
        super().setUp()
        (self.folder / "korean.txt").write_text(make_korean(3000))
        (self.folder / "test.txt").write_text(make_korean(200, seed=2))
        (self.folder / "english.txt").write_text(make_text(200, seed=3))
        config = self.config(steps=20, model=", tie_word_embeddings: true" if self.tied else "")
        self.plumb("train", config, "output.folder=base", "output.export.formats=[hf]", "output.export.dtype=fp32")

    def write(self, folder, tokens=40, rows="", method="", steps=12, parallel=""):
        path = self.folder / f"{folder}.yaml"
        path.write_text(EXTEND.format(folder=folder, tokens=tokens, rows=rows, method=method, steps=steps, parallel=parallel))
        return path

    def tune(self, folder, *words, ranks=1, check=True, **keys):
        return self.plumb("tune", self.write(folder, **keys), *words, ranks=ranks, check=check)

    def exported(self, folder):
        return tensors(self.folder / folder / "export/hf/model.safetensors")

    def check_old_rows(self, folder, blocks_stay=True):
        """Old rows, and the blocks where nothing else was trained, bit for bit those of the base; new rows moved."""
        base, grown = self.exported("base"), self.exported(folder)
        self.assertEqual(sorted(base), sorted(grown))
        for name, (dtype, shape, data) in base.items():
            if name in ("model.embed_tokens.weight", "lm_head.weight"):
                self.assertEqual(grown[name][1], [shape[0] + 40, shape[1]])
                self.assertEqual(grown[name][2][:len(data)], data, name)
            elif blocks_stay:
                self.assertEqual(grown[name][2], data, name)

    def answer(self, model):
        """Bytes: a small model may end in the middle of a character."""
        words = ["generate", model, "--prompt", "나는", "--max-new-tokens", "8", "--template", "plain", "train.precision=fp32"]
        return subprocess.run([PLUMB, *words], cwd=self.folder, capture_output=True, env=ENVIRONMENT, check=True).stdout

    def value(self, table, name):
        """Numbers of a row of the table."""
        row = next(line for line in table.splitlines() if line.startswith(name))
        return [float(word) for word in row.split()[4:] if word.replace(".", "", 1).isdigit()]


class Grown(Extend):
    def test_the_whole_model_learns_and_the_folder_carries_the_tokens(self):
        done = self.tune("tuned", steps=30)
        print("\n" + done.stdout)
        config = json.loads((self.folder / "tuned/export/hf/config.json").read_text())
        self.assertEqual(config["vocab_size"], 257 + 40)
        self.assertEqual(self.answer("tuned"), self.answer("tuned/export/hf"))
        for model in ("base", "tuned"):
            ids = self.plumb("tokenizer", "encode", "--tokenizer", f"{model}/tokenizer", "english.txt").stdout.split()
            self.assertLess(max(map(int, ids)), 257, "English text keeps its old tokens")
        old = self.plumb("tokenizer", "encode", "--tokenizer", "base/tokenizer", "test.txt").stdout.split()
        new = self.plumb("tokenizer", "encode", "--tokenizer", "tuned/tokenizer", "test.txt").stdout.split()
        self.assertLess(len(new), len(old) / 2)
        back = subprocess.run([PLUMB, "tokenizer", "decode", "--tokenizer", "tuned/export/hf"], cwd=self.folder,
                              input=" ".join(new), capture_output=True, text=True, env=ENVIRONMENT, check=True).stdout
        self.assertEqual(back, (self.folder / "test.txt").read_text())
        # The column of the base is the base itself, with its own tokenizer.
        both = self.plumb("eval", "tuned.yaml", "base", "tuned", "train.precision=fp32").stdout
        for name in ("korean", "english"):
            self.assertEqual(self.value(done.stdout, name), self.value(both, name), both + done.stdout)

    def test_new_rows_alone(self):
        done = self.tune("alone", rows=", train: new_rows")
        self.check_old_rows("alone")
        base, grown = self.exported("base"), self.exported("alone")
        trained = 2 * 40 * 32
        self.assertIn(f"{trained:,} trained", done.stderr + done.stdout)
        step = next((self.folder / "alone").glob("step-*"))
        names = {name.split("@")[0].removeprefix("adamw.m/").removeprefix("adamw.v/")
                 for shard in step.glob("*.safetensors") for name in tensors(shard)}
        self.assertEqual(names, {"embedding.new_rows.weight", "head.new_rows.weight"})
        # What they began as is not what they are: two runs of other lengths differ there alone.
        self.tune("shorter", rows=", train: new_rows", steps=2)
        shorter = self.exported("shorter")
        self.assertNotEqual(shorter["lm_head.weight"][2], grown["lm_head.weight"][2])
        self.assertNotEqual(shorter["model.embed_tokens.weight"][2], grown["model.embed_tokens.weight"][2])
        self.assertEqual(len(base), len(grown))
        for words in (("alone",), ("alone/export/hf",)):
            self.plumb("eval", "alone.yaml", *words, "train.precision=fp32")
        self.assertIn("vocabulary", self.plumb("inspect", "alone").stdout)

    def test_an_adapter_and_the_new_rows(self):
        self.tune("adapted", method=", adapter: lora, lora: {rank: 2}", ranks=2)
        self.check_old_rows("adapted", blocks_stay=False)
        base, grown = self.exported("base"), self.exported("adapted")
        query = "model.layers.0.self_attn.q_proj.weight"
        self.assertNotEqual(base[query][2], grown[query][2])
        table = self.plumb("eval", "adapted.yaml", "adapted", "adapted/export/hf", "train.precision=fp32").stdout
        for name in ("korean", "english"):
            values = self.value(table, name)
            self.assertAlmostEqual(values[0], values[1], delta=0.002, msg=table)

    def test_a_second_run_finds_what_the_first_has_learnt(self):
        first = self.tune("one", steps=1)
        self.assertIn("growing 257 tokens by 40", first.stderr)
        second = self.tune("two", steps=1)
        self.assertNotIn("growing", second.stderr)
        self.assertEqual((self.folder / "one/tokenizer/tokenizer.json").read_text(),
                         (self.folder / "two/tokenizer/tokenizer.json").read_text())

    def test_killed_and_resumed_is_the_unbroken_run(self):
        for name, rows in (("all", ""), ("rows", ", train: new_rows")):
            steps = 40
            self.tune(f"{name}-whole", rows=rows, steps=steps, ranks=2, parallel=", zero: 2")
            config = self.write(f"{name}-parts", rows=rows, steps=steps, parallel=", zero: 2")
            process = subprocess.Popen(["mpirun", "-n", "2", PLUMB, "tune", str(config), "train.time_limit=60s"], cwd=self.folder,
                                       env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            deadline = time.time() + 120
            while not list((self.folder / f"{name}-parts").glob("step-*[0-9]")) and time.time() < deadline:
                time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
            process.wait(timeout=120)
            time.sleep(1)  # ranks notice that mpirun is gone
            self.tune(f"{name}-parts", rows=rows, steps=steps, ranks=2, parallel=", zero: 2")
            whole, parts = self.losses(f"{name}-whole"), self.losses(f"{name}-parts")
            self.assertEqual(sorted(whole), sorted(parts))
            for step, values in parts.items():
                for value in values:
                    self.assertEqual(value, whole[step][0], f"{name} step {step}")
            self.assertEqual(self.exported(f"{name}-whole"), self.exported(f"{name}-parts"))

    def test_other_texts_since_are_told(self):
        self.tune("run", "train.time_limit=0.001s", rows=", train: new_rows", check=False)
        (self.folder / "korean.txt").write_text(make_korean(3000, seed=9))
        done = self.tune("run", rows=", train: new_rows", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("the tokenizer of this run is another one now", done.stderr)

    def test_new_rows_do_not_go_on_upon_other_weights(self):
        self.tune("run", "train.time_limit=0.001s", rows=", train: new_rows", check=False)
        self.plumb("train", self.config(steps=20), "output.folder=other", "train.seed=7")
        (self.folder / "base").rename(self.folder / "before")
        (self.folder / "other").rename(self.folder / "base")
        done = self.tune("run", rows=", train: new_rows", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("new rows were trained on", done.stderr)


class Tied(Extend):
    tied = True

    def test_new_rows_alone_on_ranks_and_upon_them_another_run(self):
        self.tune("tied", rows=", train: new_rows", ranks=2, parallel=", zero: 3")
        self.check_old_rows("tied")
        again = self.write("again", rows=", train: new_rows")
        again.write_text(again.read_text().replace("base: base", "base: tied").replace("tokens: 40", "tokens: 5"))
        self.plumb("tune", again)
        config = json.loads((self.folder / "again/export/hf/config.json").read_text())
        self.assertEqual(config["vocab_size"], 257 + 45)
        first, second = self.exported("tied"), self.exported("again")
        name = "model.embed_tokens.weight"
        self.assertEqual(second[name][2][:len(first[name][2])], first[name][2])


class Mistakes(Extend):
    def found(self, *words):
        done = self.tune("run", *words, tokens=100000, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("tokenizer.extend.tokens: error: expected texts for 100000 new tokens", done.stderr)
        self.assertFalse((self.folder / "run").exists())
        return int(done.stderr.split("found pairs for ")[1].split()[0])

    def test_too_many_tokens_and_held_out_documents_teach_nothing(self):
        rng = random.Random(5)
        word = lambda: "".join(chr(rng.randrange(0xAC00, 0xD7A3)) for _ in range(5))
        lines = [json.dumps({"text": " ".join([word()] * 5)}) for _ in range(60)]
        (self.folder / "documents.jsonl").write_text("\n".join(lines) + "\n")
        own = "[{path: documents.jsonl, format: text}]"
        words = [f"tokenizer.extend.sources={own}", f"data.sources={own}"]
        everything = self.found(*words, "data.validation_share=0")
        held_out = self.found(*words, "data.validation_share=40%")
        self.assertLess(held_out, 0.8 * everything)
        self.assertGreater(held_out, 0.4 * everything)
        self.assertEqual(self.found(words[0], "data.validation_share=default", f"data.validation={own}"), 0)

    def test_the_tokenizer_alone(self):
        path = self.write("run")
        shown = self.plumb("tokenizer", "train", path, "--out", "grown").stdout
        print("\n" + shown)
        self.assertIn("vocabulary       257 -> 297", shown)
        before, after = shown.split("bytes per token  ")[1].split(" (")[0].split(" -> ")
        self.assertLess(2 * float(before), float(after))
        self.assertIn("fewer tokens on 1 text of tokenizer.extend.sources)", shown)
        (self.folder / "file.yaml").write_text(
            "tokenizer: {path: grown, extend: {tokens: 3, sources: [{path: korean.txt, format: text}]}}\n")
        self.assertIn("vocabulary       297 -> 300", self.plumb("tokenizer", "train", "file.yaml").stdout)

    def test_sources_without_text_and_missing_ones(self):
        (self.folder / "empty.jsonl").write_text('{"other": "x"}\n')
        done = self.tune("run", "tokenizer.extend.sources=[{path: empty.jsonl, format: text}]", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("tokenizer.extend.sources: error: no text came out of 1 rows", done.stderr)
        done = self.tune("run", "tokenizer.extend.sources=[{path: nowhere.txt, format: text}]", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("nowhere.txt does not exist", done.stderr)

    def test_a_dataset_built_beforehand(self):
        without = ["data.validation_share=default"]
        for tokens, code in ((39, 2), (40, 0)):
            self.plumb("data", "build", self.write(f"build{tokens}", tokens=tokens), f"data.cache=built{tokens}", *without)
            dataset = next(p for p in (self.folder / f"built{tokens}").iterdir() if (p / "manifest.json").exists())
            done = self.tune(f"run{tokens}", "data.sources=default", f"data.dataset={dataset}", *without, steps=1, check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertEqual("a dataset made with the run's tokenizer" in done.stderr, code == 2)

    def test_a_tokenizer_of_another_kind(self):
        file = SHARED / "tokenizers/phi-3-mini.json"
        if not file.exists():
            self.skipTest("there is no ../shared/tokenizers")
        (self.folder / "file.yaml").write_text(
            f"tokenizer: {{path: {file}, extend: {{tokens: 3, sources: [{{path: korean.txt, format: text}}]}}}}\n")
        done = self.plumb("tokenizer", "train", "file.yaml", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("expected a byte-level BPE tokenizer, found a SentencePiece BPE", done.stderr)


if __name__ == "__main__":
    unittest.main()
