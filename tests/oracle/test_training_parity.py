"""200 steps of plumb against transformers' Llama with torch.optim.AdamW: same weights, same batches, same losses."""
import json
import math
import os
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from support import SHARED, RunFolder  # noqa: E402

CONTEXT, BATCH, STEPS, RATE, WARMUP = 64, 12, 200, 1e-3, 20

CONFIG = """
model: {{family: llama, hidden_size: 128, intermediate_size: 344, num_hidden_layers: 4, num_attention_heads: 4,
        max_position_embeddings: 64, {model}}}
tokenizer: {{type: bytes}}
data: {{sources: [{{path: '{text}', format: text}}], sequence_length: 64, shuffle: false, validation_share: 10%}}
train: {{steps: {steps}, global_batch_size: 12, micro_batch_size: 12, learning_rate: {rate}, precision: fp32,
        schedule: {{warmup: {warmup} steps}}}}
parallel: {{threads: 1}}
output: {{folder: {folder}, log_every: 1 steps, progress: lines, checkpoint: {{every: none}},
         export: {{formats: [hf], dtype: fp32}}}}
eval: {{every: none}}
"""


def rate_at(step):
    if step < WARMUP:
        return RATE * (step + 1) / WARMUP
    progress = (step - WARMUP) / (STEPS - WARMUP)
    return 0.1 * RATE + 0.9 * RATE * 0.5 * (1 + math.cos(math.pi * progress))


class TrainingParity(RunFolder):
    def run_plumb(self, text, folder, steps, rate, model):
        path = self.folder / f"{folder}.yaml"
        path.write_text(CONFIG.format(text=text, folder=folder, steps=steps, rate=rate, model=model,
                                      warmup=min(WARMUP, steps)))
        self.plumb("train", path)
        lines = (self.folder / folder / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line)["loss"] for line in lines if "loss" in json.loads(line)]

    def torch_losses(self, exported, text):
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(1)
        model = AutoModelForCausalLM.from_pretrained(exported, dtype=torch.float32, attn_implementation="eager")
        decay = [p for p in model.parameters() if p.dim() >= 2]
        plain = [p for p in model.parameters() if p.dim() < 2]
        optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
                                      lr=RATE, betas=(0.9, 0.95), eps=1e-8)
        data = torch.tensor(list(Path(text).read_bytes()), dtype=torch.long)
        losses = []
        for step in range(STEPS):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step)
            first = step * BATCH * CONTEXT
            ids = data[first:first + BATCH * CONTEXT].view(BATCH, CONTEXT)
            labels = data[first + 1:first + 1 + BATCH * CONTEXT].view(BATCH, CONTEXT)
            logits = model(input_ids=ids).logits
            loss = torch.nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), labels.reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        return losses

    def compare(self, model):
        text = SHARED / "data/text/tiny_shakespeare.txt"
        if not text.exists():
            self.skipTest("../shared/data/text/tiny_shakespeare.txt is not there")
        # A vanishing learning rate leaves the initial weights as they are: they depend on seed and name alone.
        self.run_plumb(text, "initial", 1, 1e-30, model)
        losses = self.run_plumb(text, "trained", STEPS, RATE, model)
        expected = self.torch_losses(self.folder / "initial/export/hf", text)
        worst = max(abs(a - b) for a, b in zip(losses, expected))
        print(f"\nlargest difference over {STEPS} steps: {worst:.2e} (loss {expected[0]:.3f} -> {expected[-1]:.3f})")
        self.assertEqual(len(losses), STEPS)
        self.assertLess(worst, 1e-4)
        self.assertLess(expected[-1], expected[0] - 1)

    def test_untied(self):
        self.compare("num_key_value_heads: 4")

    def test_tied_and_grouped_query_heads(self):
        self.compare("num_key_value_heads: 2, tie_word_embeddings: true")


if __name__ == "__main__":
    unittest.main()
