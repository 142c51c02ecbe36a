"""data.dataset: a run on a finished dataset is the run on its sources, and one made with another tokenizer is refused."""
import json
import shutil
import unittest
from pathlib import Path

from support import RunFolder

RUN = """
model: {{family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4,
        num_key_value_heads: 2, max_position_embeddings: 32, vocab_size: 400}}
tokenizer: {tokenizer}
data: {{{data}, sequence_length: 32, cache: cache}}
train: {{steps: 6, global_batch_size: 8, micro_batch_size: 2, learning_rate: 1e-3, precision: fp32}}
parallel: {{threads: 1}}
output: {{folder: run, log_every: 1 steps, progress: lines, checkpoint: {{every: 3 steps}}}}
eval: {{every: 3 steps}}
"""
SOURCES = "sources: [{path: text.txt, format: text}], validation_share: 10%"
BYTES, BPE = "{type: bytes}", "{type: bpe, vocab_size: 300}"


class FinishedDataset(RunFolder):
    def write(self, name, tokenizer, data):
        (self.folder / name).write_text(RUN.format(tokenizer=tokenizer, data=data))
        return self.folder / name

    def build(self, tokenizer, data=SOURCES):
        """{"train": folder, "validation": folder, "tokenizer": folder} as `data build` prints them."""
        out = self.plumb("data", "build", self.write("build.yaml", tokenizer, data)).stdout
        folders, part = {}, ""
        for line in out.splitlines():
            part = part if line.startswith(" ") else line
            if line.strip().startswith("folder"):
                folders[part] = Path(line.split()[1])
        return folders

    def evaluations(self, run):
        lines = [json.loads(line) for line in (self.folder / run / "metrics.jsonl").read_text().splitlines()]
        return [(line["step"], line["eval"]) for line in lines if "eval" in line]

    def refused(self, folder, *command, ranks=1):
        done = self.plumb(*command, ranks=ranks, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("expected a dataset made with the run's tokenizer", done.stderr)
        self.assertIn(str(folder), done.stderr)
        self.assertIn("tokenizer.path", done.stderr)
        self.assertFalse((self.folder / "run").exists(), "a run that cannot begin leaves no folder")

    def test_the_same_run_as_on_its_sources(self):
        self.plumb("train", self.write("sources.yaml", BPE, SOURCES), "output.folder=from-sources")
        built = self.build(BPE)
        used = self.write("used.yaml", f"{{path: {built['tokenizer']}}}", f"dataset: {built['train']}")
        self.plumb("train", used)
        self.assertEqual(self.losses("run"), self.losses("from-sources"))
        # The documents that were held out lie beside it, and are what validation.loss is measured on.
        self.assertEqual([step for step, _ in self.evaluations("run")], [3, 6])
        self.assertEqual(self.evaluations("run"), self.evaluations("from-sources"))

    def test_training_on_the_ids_of_another_tokenizer(self):
        of_bytes, of_bpe = self.build(BYTES), self.build(BPE)
        path = f"{{path: {of_bpe['tokenizer']}}}"
        config = self.write("wrong.yaml", path, f"dataset: {of_bytes['train']}")
        self.refused(of_bytes["train"], "train", config)
        self.refused(of_bytes["train"], "train", config, ranks=2)
        self.refused(of_bytes["train"], "train", config, "--dry-run")
        replay = f"{SOURCES}, replay: {{share: 10%, dataset: {of_bytes['train']}}}"
        self.refused(of_bytes["train"], "train", self.write("replay.yaml", path, replay))
        # Even where the held-out documents alone are another tokenizer's.
        shutil.rmtree(of_bpe["validation"])
        shutil.copytree(of_bytes["validation"], of_bpe["validation"])
        self.refused(of_bpe["validation"], "train", self.write("held.yaml", path, f"dataset: {of_bpe['train']}"))

    def test_tuning_on_the_ids_of_another_tokenizer(self):
        self.plumb("train", self.write("base.yaml", BPE, SOURCES), "output.folder=base")
        of_bytes, of_bpe = self.build(BYTES), self.build(BPE)
        tune = self.folder / "tune.yaml"
        tune.write_text("model: {base: base}\nmethod: {name: pretrain}\n"
                        f"data: {{dataset: {of_bytes['train']}, sequence_length: 32, cache: cache}}\n"
                        "train: {steps: 2, global_batch_size: 4, learning_rate: 1e-3}\nparallel: {threads: 1}\n"
                        "output: {folder: run, progress: none}\neval: {every: none}\n")
        self.refused(of_bytes["train"], "tune", tune)
        self.refused(of_bytes["train"], "tune", tune, ranks=2)
        self.plumb("tune", tune, f"data.dataset={of_bpe['train']}")

    def test_tokens_that_the_config_named(self):
        """Names given at the build come with the dataset, and those of a base's tokens can be given beside the base."""
        named = "{type: bytes, special_tokens: {eos: <e>, pad: <p>}}"
        built = self.build(named, "sources: [{path: text.txt, format: text}]")
        self.plumb("train", self.write("used.yaml", "{}", f"dataset: {built['train']}"), "output.folder=base")
        lineage = self.plumb("data", "lineage", "base", "--step", "1").stdout
        self.assertIn("; 1 decode to the text of their id\n", lineage)
        tune = self.folder / "tune.yaml"
        tune.write_text("model: {base: base}\ntokenizer: {special_tokens: {pad: <e>}}\nmethod: {name: pretrain}\n"
                        "data: {sources: [{path: text.txt, format: text}], sequence_length: 32, cache: cache}\n"
                        "train: {steps: 2, global_batch_size: 4, learning_rate: 1e-3}\nparallel: {threads: 1}\n"
                        "output: {folder: run, progress: none}\neval: {every: none}\n")
        self.plumb("tune", tune)
        config = json.loads((self.folder / "run/tokenizer/tokenizer_config.json").read_text())
        self.assertEqual((config["eos_token"], config["pad_token"]), ("<e>", "<e>"))

    def test_held_out_documents_that_are_not_there(self):
        built = self.build(BYTES)
        shutil.rmtree(built["validation"])
        config = self.write("used.yaml", BYTES, f"dataset: {built['train']}")
        best = ["output.checkpoint.keep_best=1", "output.checkpoint.best=validation.loss"]
        done = self.plumb("train", config, *best, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("expected a dataset with held-out documents", done.stderr)
        self.assertIn("no validation.loss", self.plumb("train", config).stderr)
        self.assertEqual(self.evaluations("run"), [])

    def test_rules_that_a_finished_dataset_cannot_follow(self):
        built = self.build(BYTES)
        config = self.write("private.yaml", BYTES, f"dataset: {built['train']}, privacy: {{action: replace}}")
        done = self.plumb("train", config, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("data.privacy.action has no effect beside data.dataset", done.stderr)

    def test_a_cached_tokenizer_that_is_damaged(self):
        built = self.build(BPE)
        file = built["tokenizer"] / "tokenizer.json"
        kept = json.loads(file.read_text())
        kept["model"]["merges"][3], kept["model"]["merges"][4] = kept["model"]["merges"][4], kept["model"]["merges"][3]
        file.write_text(json.dumps(kept))
        done = self.plumb("data", "build", "build.yaml", check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(str(built["tokenizer"]), done.stderr)
        shutil.rmtree(built["tokenizer"])
        self.assertEqual(self.build(BPE), built)


class AcceptedChanges(RunFolder):
    def test_only_what_was_named_may_differ(self):
        config = self.config(steps=4, save="2 steps")
        self.plumb("train", config)
        more = ["train.steps=6"]

        def resume(*words, named, ranks=1):
            return self.plumb("train", config, *more, f"train.accept_changes=[train.steps, {named}]", *words, ranks=ranks,
                              check=False)

        with open(self.folder / "text.txt", "a") as text:
            text.write("a sentence more.")
        # Keys of data that say nothing of which documents are read, or that did not change.
        for named in ("data.threads", "data.seed", "data.shuffle", "data.strict", "data.clean", "data.validation_share"):
            done = resume(named=named)
            self.assertEqual(done.returncode, 2, f"{named}: {done.stderr}")
            self.assertIn("have changed since", done.stderr)
            self.assertIn("data.sources", done.stderr)
        # An accepted seed lets the seed differ, and still not the documents.
        done = resume("data.seed=7", named="data.seed")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertNotIn("seed:", done.stderr)
        self.assertIn("data[0]", done.stderr)
        self.assertEqual(resume(named="data.sources", ranks=2).returncode, 0)

    def test_a_rule_that_changed_and_was_accepted(self):
        config = self.config(steps=4, save="2 steps")
        self.plumb("train", config)
        self.plumb("train", config, "train.steps=6", "data.dedup.exact=true", "data.seed=9",
                   "train.accept_changes=[train.steps, data.dedup, data.seed]")


if __name__ == "__main__":
    unittest.main()
