"""Score evaluations against ONNX Runtime: python3 benches/compare/onnxruntime_forward.py [--model M.onnx]

Both evaluate the same file in single precision on the same number of threads; blocks alternate. ONNX
Runtime gets all graph optimisations, denormals flushed, and besides batch 64 the batch that suits it best.
Without --model, a network of the default size with random weights on 16x16 is written and used.
"""

import argparse
import pathlib
import tempfile
import time

import common
import numpy as np
import onnxruntime


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model file")
    parser.add_argument("--rounds", type=int, default=6, help="pairs of blocks")
    parser.add_argument("--evaluations", type=int, default=1280, help="evaluations a block")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    return parser.parse_args()


def session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    # Its threads must not spin while stoq has its turn.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Peer:
    """ONNX Runtime on one file; `rates` gives evaluations per second of each batch."""

    def __init__(self, path, threads):
        self.session = session(path, threads)
        shape = self.session.get_inputs()[0].shape
        self.extents = shape[2:]

    def rates(self, batch, evaluations):
        noise = (0.1 * 100 ** (np.arange(batch) / batch)).astype(np.float32)
        wide = noise.reshape(-1, *[1] * (1 + len(self.extents)))
        field = np.random.default_rng(1).normal(size=(batch, 1, *self.extents)) * (1 + wide)
        inputs = {"field": field.astype(np.float32), "sigma": noise}
        self.session.run(["denoised"], inputs)
        rates = []
        for _ in range(max(3, evaluations // batch)):
            start = time.perf_counter()
            self.session.run(["denoised"], inputs)
            rates.append(batch / (time.perf_counter() - start))
        return rates

    def best_batch(self):
        """The batch with the highest rate, by a short trial of each."""
        trial = {batch: np.median(self.rates(batch, 256)) for batch in [1, 2, 4, 8, 16, 32, 64, 128, 256]}
        print("  ONNX Runtime by batch: " + ", ".join(f"{batch}: {rate:.0f}/s" for batch, rate in trial.items()))
        return max(trial, key=trial.get)


def compare(program, path, threads, options):
    print(f"{threads} thread(s), {common.load()}")
    peer = Peer(path, threads)
    batches = sorted({64, peer.best_batch()})
    theirs, ours = {batch: [] for batch in batches}, []
    arguments = ["denoise", "--model", path, "--batch", 64, "--threads", threads]
    arguments += ["--repeats", max(3, options.evaluations // 64)]
    for _ in range(options.rounds):
        for batch in batches:
            theirs[batch] += peer.rates(batch, options.evaluations)
        ours += [64 / seconds for seconds in common.stoq(program, *arguments)["seconds"]]
    print(f"  stoq, batch 64: median {np.median(ours):.0f}/s, best {max(ours):.0f}/s")
    for batch, rates in theirs.items():
        ratios = np.median(ours) / np.median(rates), max(ours) / max(rates)
        print(f"  ONNX Runtime, batch {batch}: median {np.median(rates):.0f}/s, best {max(rates):.0f}/s")
        print(f"  stoq / ONNX Runtime at batch {batch}: {ratios[0]:.2f} by medians, {ratios[1]:.2f} by the best")


def main():
    options = parse()
    program = common.build()
    print(f"ONNX Runtime {onnxruntime.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(options.model or pathlib.Path(folder) / "random.onnx")
        if not options.model:
            common.stoq(program, "write-model", "--output", path)
        for threads in options.threads:
            compare(program, path, threads, options)


if __name__ == "__main__":
    main()
