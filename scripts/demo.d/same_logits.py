"""Loads an exported folder with transformers and compares what it says with `plumb generate`: 64 greedy tokens."""
import subprocess
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPT, NEW_TOKENS = "The Debian package", 64


def main():
    plumb, folder = sys.argv[1:3]
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = tokenizer(PROMPT, return_tensors="pt", add_special_tokens=True).input_ids
    with torch.no_grad():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW_TOKENS)
    theirs = tokenizer.decode(out[0, ids.shape[1]:], skip_special_tokens=True)
    command = [plumb, "generate", folder, "--prompt", PROMPT, "--max-new-tokens", str(NEW_TOKENS), "--temperature", "0"]
    ours = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if ours.strip() != theirs.strip():
        print(f"transformers continues differently:\n  plumb        {ours!r}\n  transformers {theirs!r}")
        return 1
    print(f"transformers loads the folder and continues with the same {NEW_TOKENS} greedy tokens")
    return 0


if __name__ == "__main__":
    sys.exit(main())
