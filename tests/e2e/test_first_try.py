"""What a first user gets wrong, and what is said to it before time is lost."""
import json
import os
import shutil
import signal
import subprocess
import unittest

from support import ENVIRONMENT, PLUMB, RunFolder

EVAL = """
eval:
  every: none
  sets:
    - {{name: qa, path: qa.jsonl, format: prompt_completion, metric: {metric}}}
    - {{name: text, path: text.txt, format: text, metric: bits_per_byte}}
{rules}"""


class FirstTry(RunFolder):
    def setUp(self):
        super().setUp()
        self.questions([("a b", "c")] * 3)

    def questions(self, pairs):
        rows = [json.dumps({"prompt": prompt, "completion": completion}) for prompt, completion in pairs]
        (self.folder / "qa.jsonl").write_text("".join(row + "\n" for row in rows))

    def with_sets(self, metric="answer_nll", rules="", **keys):
        config = self.config(**keys)
        text = config.read_text().replace("eval: {every: none}", EVAL.format(metric=metric, rules=rules))
        config.write_text(text)
        return config

    def refused(self, *words, code=2):
        done = self.plumb(*words, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stderr

    def tuned(self, steps=2):
        """The configuration of a run upon the folder `run`."""
        text = f"""
model: {{base: run}}
tokenizer: {{chat_template: plain}}
data: {{sources: [{{path: qa.jsonl, format: prompt_completion}}], sequence_length: 32}}
train: {{steps: {steps}, global_batch_size: 2, micro_batch_size: 2, learning_rate: 1e-3, precision: fp32}}
parallel: {{threads: 1}}
output: {{folder: qa, checkpoint: {{every: none}}}}
eval:
  every: none
  sets: [{{name: qa, path: qa.jsonl, format: prompt_completion, metric: exact_match}}]
  pass: [{{metric: qa.exact_match, min: 99}}]
"""
        (self.folder / "qa.yaml").write_text(text)
        return self.folder / "qa.yaml"

    def test_eval_sets_are_opened_before_anything_is_built(self):
        config = self.with_sets()
        done = self.plumb("train", config, "--dry-run")
        self.assertIn("set       qa.answer_nll 3 records, the longest 6 tokens", done.stderr)
        self.assertIn("set       text.bits_per_byte 1 record, the longest ", done.stderr)
        shutil.rmtree(self.folder / "cache")
        for content, said in ((json.dumps({"prompt": "a" * 40, "completion": "b"}) + "\n", "qa.jsonl:1: error: expected a question"),
                              ('{"prompt": "a"\n', "qa.jsonl:1: error"), ("", "expected more than 0 records, found 0"),
                              ('{"question": "a", "completion": "b"}\n', "qa.jsonl:1: error")):
            (self.folder / "qa.jsonl").write_text(content)
            for option in ([], ["--dry-run"]):
                self.assertIn(said, self.refused("train", config, *option))
        self.assertFalse((self.folder / "run").exists())
        self.assertEqual(list((self.folder / "cache").glob("documents-*")), [], "no dataset was begun")
        (self.folder / "qa.jsonl").unlink()
        self.assertIn("qa.jsonl does not exist", self.refused("train", config, "--dry-run"))

    def test_a_sequence_longer_than_the_base_knows_is_refused_before_anything_is_built(self):
        self.plumb("train", self.config(steps=1))
        tuned = self.tuned()
        said = f"data.sequence_length: expected at most max_position_embeddings 32 of the base {self.folder}/run/step-1, found 64"
        for words, where in ((["data.sequence_length=64"], "command line"), ([], "qa.yaml:4"), (["data.sequence_length=default"], "qa.yaml")):
            if not words:
                tuned.write_text(tuned.read_text().replace("sequence_length: 32", "sequence_length: 64"))
            for command in (["tune"], ["data", "build"]):
                refused = self.refused(*command, tuned, "data.cache=fresh", *words)
                self.assertIn(f"{where}: error: " + (said if "default" not in str(words) else said.split("found")[0]), refused)
                self.assertIn("hint: data.sequence_length=32, or a base of longer sequences", refused)
        self.assertFalse((self.folder / "fresh").exists())

    def test_a_length_that_is_taken_out_is_not_set(self):
        done = self.plumb("train", self.config(steps=30), "train.steps=default", "train.epochs=1", "--dry-run")
        self.assertIn("changed   train.steps 30 (run.yaml:6) -> not set (default)\n", done.stderr)
        self.assertIn("positions, 1 document\n", done.stdout)

    def test_train_and_tune_do_not_share_a_folder(self):
        self.plumb("train", self.config(steps=1))
        said = self.refused("tune", self.tuned(), "output.folder=run")
        self.assertIn("the folder holds a train run (run), and this is plumb tune", said)
        self.assertIn("another output.folder", said)
        self.plumb("tune", self.tuned(), "eval.pass=default")
        said = self.refused("train", self.config(steps=1), "output.folder=qa")
        self.assertIn("the folder holds a tune run (qa), and this is plumb train", said)

    def test_a_failed_rule_is_told_again_with_its_table(self):
        self.plumb("train", self.config(steps=1))
        first = self.plumb("tune", self.tuned(), check=False)
        again = self.plumb("tune", self.tuned(), check=False)
        self.assertEqual((first.returncode, again.returncode), (1, 1))
        self.assertIn("qa.exact_match min 99 failed", first.stderr)
        self.assertIn("0 of 1 rules passed, qa.exact_match min 99 failed", again.stderr)
        self.assertIn("min 99  FAIL", again.stdout)
        self.assertEqual(first.stdout, again.stdout)

    def test_a_copied_configuration_says_what_it_misses(self):
        (self.folder / "elsewhere").mkdir()
        self.config(name="elsewhere/copy.yaml")
        said = self.refused("train", "elsewhere/copy.yaml")
        self.assertIn(f"{self.folder}/elsewhere/text.txt does not exist", said)
        self.assertIn(f"it exists relative to the current folder, but a path in a file is relative to that file; write {self.folder}/text.txt",
                      said)

    def test_a_mistyped_run_is_answered_with_what_there_is(self):
        self.plumb("train", self.config(steps=1), "output.folder=runs/base")
        for words in (["export", "runs/bsae", "out"], ["generate", "runs/bsae", "--prompt", "x"], ["eval", "runs/bsae"]):
            self.assertIn(f"did you mean {self.folder}/runs/base?", self.refused(*words))
        self.assertIn("models in " + str(self.folder / "runs") + ": base", self.refused("export", "runs/quite-another", "out"))
        self.assertIn("hf download org/model", self.refused("export", "org/model", "out"))
        ids = self.plumb("tokenizer", "encode", "--tokenizer", "runs/base", "text.txt").stdout
        self.assertEqual(ids, self.plumb("tokenizer", "encode", "--tokenizer", "runs/base/step-1/", "text.txt").stdout)
        self.assertIn(f"did you mean {self.folder}/runs/base?", self.refused("tokenizer", "encode", "--tokenizer", "runs/bases"))

    def test_eval_without_sets_names_a_run_that_has_some(self):
        self.plumb("train", self.config(steps=1))
        self.assertIn("plumb eval CFG MODEL...", self.refused("eval", "run"))
        self.plumb("tune", self.tuned(), "eval.pass=default")
        said = self.refused("eval", "run", "qa")
        self.assertIn(f"the run of qa has sets: plumb eval {self.folder}/qa/resolved.yaml run qa", said)
        self.plumb("eval", "qa/resolved.yaml", "run", "qa")

    def test_a_request_before_the_first_step_ends_at_once_with_75(self):
        self.plumb("train", self.config(steps=1))
        self.questions([(f"a {i}", "c") for i in range(3000)])
        for ranks, number in ((1, signal.SIGTERM), (2, signal.SIGUSR1)):
            command = [PLUMB, "tune", self.tuned(), f"output.folder=qa{ranks}"]
            if ranks > 1:
                command = ["mpirun", "-n", str(ranks), *command]
            process = subprocess.Popen(command, cwd=self.folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
            said = ""
            while "before step 1" not in said:
                line = process.stderr.readline()
                self.assertTrue(line, said)
                said += line
            os.kill(process.pid, number)
            _, rest = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 75, rest)
            self.assertIn(f"stopped   on {number.name} before the first step of this start", rest)
            self.assertEqual(rest.count("stopped   on"), 1)
            self.assertEqual(list((self.folder / f"qa{ranks}").glob("step-*")), [])


if __name__ == "__main__":
    unittest.main()
