"""One file trains the same model on any number of ranks and at every ZeRO stage."""
import unittest

from support import RunFolder


class Ranks(RunFolder):
    def run_losses(self, name, ranks, zero, steps, extra=""):
        config = self.config(steps=steps, parallel=f", zero: {zero}" + extra)
        self.plumb("train", config, f"output.folder={name}", ranks=ranks)
        return [values[0] for _, values in sorted(self.losses(name).items())]

    def check(self, expected, found, what):
        self.assertEqual(len(expected), len(found), what)
        for step, (a, b) in enumerate(zip(expected, found), 1):
            bound = 1e-6 if step <= 10 else 1e-5
            self.assertLessEqual(abs(a - b) / abs(a), bound, f"{what}, step {step}: {a} against {b}")

    def test_ranks_and_zero_stages_agree(self):
        one = self.run_losses("one", 1, 0, 50)
        self.assertLess(one[-1], one[0] - 0.5, "it must learn, or agreement says nothing")
        for ranks in (2, 4):
            for zero in range(4):
                self.check(one, self.run_losses(f"r{ranks}z{zero}", ranks, zero, 50), f"{ranks} ranks, ZeRO {zero}")

    def test_ranks_as_threads_agree_with_mpi(self):
        one = self.run_losses("one", 1, 0, 10)
        threads = self.run_losses("threads", 1, 2, 10, ", shard: 2, communicator: threads")
        self.check(one, threads, "2 threads, ZeRO 2")

    def test_uneven_split_agrees(self):
        one = self.run_losses("one", 1, 0, 10)
        self.check(one, self.run_losses("three", 3, 2, 10), "3 ranks for 8 sequences")


if __name__ == "__main__":
    unittest.main()
