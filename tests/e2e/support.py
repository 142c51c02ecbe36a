"""Drives the plumb binary as a user would: small runs in a folder of their own."""
import json
import os
import random
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(os.environ.get("TEST_SOURCE_DIR", Path(__file__).resolve().parents[2]))
PLUMB = os.environ.get("TEST_PLUMB", str(SOURCE / "build/release/trainer/plumb"))
SHARED = SOURCE.parent / "shared"

ENVIRONMENT = dict(
    os.environ,
    OMPI_ALLOW_RUN_AS_ROOT="1",
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
    OMPI_MCA_rmaps_base_oversubscribe="1",
    OMPI_MCA_hwloc_base_binding_policy="none",
    OMPI_MCA_mpi_yield_when_idle="1",
    OMPI_MCA_btl_vader_single_copy_mechanism="none",
)

TINY = """
model: {{family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4,
        num_key_value_heads: 2, max_position_embeddings: 32{model}}}
tokenizer: {{type: bytes}}
data: {{sources: [{{path: text.txt, format: text}}], sequence_length: 32, validation_share: 10%}}
train: {{steps: {steps}, global_batch_size: 8, micro_batch_size: {micro}, learning_rate: 1e-3, precision: fp32,
        schedule: {{warmup: 10%}}{train}}}
parallel: {{threads: 1{parallel}}}
output: {{folder: run, log_every: 1 steps, progress: lines, checkpoint: {{every: {save}}}}}
eval: {{every: none}}
"""


def make_text(words=4000, seed=1):
    """English-like text with structure to learn, the same for a seed."""
    rng = random.Random(seed)
    subjects, verbs, objects = ["the king", "a rose", "my lord", "thy hand"], ["speaks to", "holds", "sees"], ["the sea", "a crown", "the night"]
    return " ".join(f"{rng.choice(subjects)} {rng.choice(verbs)} {rng.choice(objects)}." for _ in range(words // 5))


def make_korean(words=4000, seed=1):
    """Korean-like text with structure to learn, the same for a seed."""
    rng = random.Random(seed)
    subjects, objects, verbs = ["나는", "그 사람은", "고양이가", "선생님은"], ["학교에서", "바다를", "책을", "저녁에"], ["봅니다", "간다", "읽었습니다"]
    return " ".join(f"{rng.choice(subjects)} {rng.choice(objects)} {rng.choice(verbs)}." for _ in range(words // 3))


class RunFolder(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="plumb-e2e-"))
        (self.folder / "text.txt").write_text(make_text())

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def config(self, name="run.yaml", steps=10, micro=2, save="none", model="", train="", parallel=""):
        text = TINY.format(steps=steps, micro=micro, save=save, model=model, train=train, parallel=parallel)
        (self.folder / name).write_text(text)
        return self.folder / name

    def plumb(self, *words, ranks=1, check=True, timeout=600):
        command = [PLUMB, *map(str, words)]
        if ranks > 1:
            command = ["mpirun", "-n", str(ranks), *command]
        done = subprocess.run(command, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            self.fail(f"{' '.join(command)}\nended with {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def losses(self, run):
        """step -> loss; where a step was computed twice (after a resume) both must be equal to the bit."""
        found = {}
        for line in (self.folder / run / "metrics.jsonl").read_text().splitlines():
            entry = json.loads(line)
            if "loss" not in entry:
                continue
            step, loss = entry["step"], entry["loss"]
            found.setdefault(step, []).append(loss)
        return found
