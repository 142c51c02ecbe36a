"""Trains in PyTorch on command: reads "go STEPS" from standard input, answers with one line of JSON.

Stays alive between turns, so that torch.compile is paid once and a turn measures steps and nothing else."""
import argparse
import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

BEGIN = time.time()


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--kind", choices=["eager", "compile", "ddp"], required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    return parser.parse_args()


class Trainer:
    def __init__(self, options):
        import torch
        from model import load, optimizer_of

        self.torch, self.options = torch, options
        torch.set_num_threads(options.threads)
        self.rank, self.ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = torch.device(options.device)
        self.model = load(options.weights).to(self.device)
        self.optimizer = optimizer_of(self.model, 1e-3)
        self.plain = self.model
        if options.kind == "ddp":
            torch.distributed.init_process_group("gloo", timeout=timedelta(hours=6))
            self.model = torch.nn.parallel.DistributedDataParallel(self.model, gradient_as_bucket_view=True)
        elif options.kind == "compile":
            self.model = torch.compile(self.model)
        self.data = torch.frombuffer(bytearray(Path(options.text).read_bytes()), dtype=torch.uint8).long()
        self.step_number = 0

    def step(self):
        torch, o = self.torch, self.options
        tokens = o.batch * o.context
        first = (self.step_number * tokens) % (len(self.data) - tokens - 1)
        ids = self.data[first : first + tokens].view(o.batch, o.context)
        labels = self.data[first + 1 : first + 1 + tokens].view(o.batch, o.context)
        share = o.batch // self.ranks
        mine = slice(self.rank * share, (self.rank + 1) * share)
        ids, labels = ids[mine].to(self.device), labels[mine].to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=o.precision == "bf16"):
            loss = self.model(ids, labels)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.plain.parameters(), 1.0)
        self.optimizer.step()
        self.step_number += 1
        return loss

    def synchronize(self):
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()
        if self.ranks > 1:
            self.torch.distributed.barrier()

    def turn(self, steps):
        self.step()  # caches cooled while the other side had its turn
        self.synchronize()
        begin = time.perf_counter()
        for _ in range(steps):
            loss = self.step()
        self.synchronize()
        seconds = time.perf_counter() - begin
        rate = steps * self.options.batch * self.options.context / seconds
        return {"tokens_per_second": rate, "loss": loss.item()}


def command(trainer, line):
    """The next command, the same on every rank: rank 0 reads it."""
    words = line.split()
    wanted = int(words[1]) if len(words) == 2 and words[0] == "go" else 0
    if trainer.ranks > 1:
        shared = trainer.torch.tensor([wanted])
        trainer.torch.distributed.broadcast(shared, 0)
        wanted = int(shared)
    return wanted


def main():
    trainer = Trainer(parse())
    trainer.step()
    trainer.synchronize()
    if trainer.rank == 0:
        print(json.dumps({"first_step_seconds": time.time() - BEGIN}), flush=True)
    while True:
        steps = command(trainer, sys.stdin.readline() if trainer.rank == 0 else "")
        if steps == 0:
            break
        result = trainer.turn(steps)
        if trainer.rank == 0:
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
