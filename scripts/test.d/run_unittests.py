"""Runs the unittest files given, and writes one line for each test to the file named first: result, test, reason."""
import importlib.util
import sys
import time
import unittest
from pathlib import Path


class Recorder(unittest.TextTestResult):
    """Writes passed, failed or skipped as soon as it is known, so that a crash loses nothing."""

    out = None

    def record(self, result, test, reason=""):
        self.out.write(f"{result}\t{test.id()}\t{' '.join(reason.split())}\n")
        self.out.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.record("passed", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.record("failed", test, str(err[1])[:300])

    def addError(self, test, err):
        super().addError(test, err)
        self.record("failed", test, str(err[1])[:300])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.record("skipped", test, reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.record("failed", subtest, str(err[1])[:300])


def load(path):
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def main():
    ok = True
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        Recorder.out = out
        for name in sys.argv[2:]:
            path, begin = Path(name).resolve(), time.time()
            try:
                suite = load(path)
            except ImportError as error:
                out.write(f"skipped\t{path.name}\t{error} (scripts/setup --full installs the oracles)\n")
                continue
            except unittest.SkipTest as reason:
                out.write(f"skipped\t{path.name}\t{reason}\n")
                continue
            ok &= unittest.TextTestRunner(verbosity=2, resultclass=Recorder).run(suite).wasSuccessful()
            print(f"{path.name}: {time.time() - begin:.0f} s", flush=True)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
