"""The network of the literature, exported from PyTorch, inside stoq: python exported_network.py FOLDER [PART ..]

PARTs, all by default:
  score     stoq's score against PyTorch's, relative to the largest value of each field
  sampler   500 Euler-Maruyama steps from the same noise, once with the score of PyTorch, once with that of stoq
  overhead  evaluations at batch 64, one thread: stoq.Model.score against ONNX Runtime alone with IO binding, in turns; from
            Python, and from C (onnxruntime_peer.c) where ONNXRUNTIME_INCLUDE names the folder of onnxruntime_c_api.h
  exact     trains the network for --steps on 4x4 phi^4 (tiled to 8x8, the least extent that its strides allow), exports it,
            and compares the averages of the kernels path and renoise, corrected by stoq, with closed forms; --chains of
            --updates each

Needs torch, onnx, onnxscript, onnxruntime and libstoq (STOQ_LIBRARY); runs on one thread. Prints JSON at the end.
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import onnxruntime
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bindings" / "python"), str(ROOT / "tests" / "python")]
import stoq  # noqa: E402
from published_unet import PublishedUNet  # noqa: E402

SIGMA, EXTENT = 25.0, 16


def library():
    """Of the ONNX Runtime that Python has, unless the variable names another."""
    return os.environ.get("STOQ_ONNXRUNTIME") or pathlib.Path(onnxruntime.__file__).parent / "capi"


def export(module, path, extents, **named):
    told = dict(scheme="variance-expanding", sigma=SIGMA, output="score", time="t", extents=extents)
    return stoq.export(module, path, **told, **named)


def network(folder):
    torch.manual_seed(3)
    module, path = PublishedUNet(SIGMA).eval(), folder / "published.onnx"
    export(module, path, (EXTENT, EXTENT))
    return module, path, stoq.Model.open(path, runtime=library())


def torch_score(module, fields, times):
    with torch.no_grad():
        shape = (len(fields), 1, *fields.shape[1:])
        answer = module(torch.as_tensor(fields.reshape(shape), dtype=torch.float32), torch.as_tensor(times, dtype=torch.float32))
    return answer.double().numpy().reshape(fields.shape)


def part_score(folder):
    module, _, model = network(folder)
    generator, count = np.random.default_rng(1), 32
    times = np.linspace(0.02, 1.0, count)
    width = np.sqrt(1 + np.expm1(2 * math.log(SIGMA) * times) / (2 * math.log(SIGMA)))
    fields = width[:, None, None] * generator.standard_normal((count, EXTENT, EXTENT))
    expected, found = torch_score(module, fields, times), model.score(fields, times)
    off = abs(found - expected).max(axis=(1, 2)) / abs(expected).max(axis=(1, 2))
    return {"largest_relative_difference": float(off.max()), "fields": count, "batches": model.metadata("batches")}


def part_sampler(folder):
    module, _, model = network(folder)
    steps, batch, log = 500, 4, math.log(SIGMA)
    generator = np.random.default_rng(2)
    start = math.sqrt(math.expm1(2 * log) / (2 * log)) * generator.standard_normal((batch, EXTENT, EXTENT))
    times = np.linspace(1.0, 1e-3, steps)
    noise = generator.standard_normal((steps, *start.shape))

    def sample(score):
        x, step = start.copy(), times[0] - times[1]
        for t, z in zip(times, noise):
            g = SIGMA**t
            x = x + step * g * g * score(x, np.full(batch, t)) + math.sqrt(step) * g * z
        return x

    clock = time.perf_counter()
    ours = sample(model.score)
    middle = time.perf_counter()
    theirs = sample(lambda x, t: torch_score(module, x, t))
    end = time.perf_counter()
    off = abs(ours - theirs).max() / abs(theirs).max()
    return {"relative_difference": float(off), "steps": steps, "batch": batch, "seconds": [middle - clock, end - middle]}


def part_overhead(folder):
    _, path, _ = network(folder)
    batch = 64
    model = stoq.Model.open(path, runtime=library(), batch=batch)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    fields = np.random.default_rng(3).standard_normal((batch, EXTENT, EXTENT))
    times = np.full(batch, 0.3)
    binding = session.io_binding()
    single, t = fields.astype(np.float32).reshape(batch, 1, EXTENT, EXTENT), times.astype(np.float32)
    binding.bind_ortvalue_input("field", onnxruntime.OrtValue.ortvalue_from_numpy(single))
    binding.bind_ortvalue_input("time", onnxruntime.OrtValue.ortvalue_from_numpy(t))
    binding.bind_ortvalue_output("output", onnxruntime.OrtValue.ortvalue_from_shape_and_type(single.shape, np.float32))

    def timed(run):
        # CPU time of this process: machines may be shared.
        clock = time.process_time()
        run()
        return time.process_time() - clock

    runs = {
        "raw": lambda: timed(lambda: session.run_with_iobinding(binding)),
        "stoq": lambda: timed(lambda: model.score(fields, times)),
    }
    with c_peer(folder, path, batch) as peer:
        if peer:
            runs["c"] = peer
        seconds = {name: [] for name in runs}
        for turn in range(150):
            for name, run in runs.items():
                taken = run()
                if turn >= 3:
                    seconds[name].append(taken)
    best, middle = ({name: f(values) for name, values in seconds.items()} for f in (min, lambda v: sorted(v)[len(v) // 2]))
    over = lambda found, peer: found["stoq"] / found[peer] - 1
    peers = [name for name in runs if name != "stoq"]
    return {
        "batch": batch, "batches": model.metadata("batches"), "seconds_best": best, "seconds_median": middle,
        "overhead_best": {peer: over(best, peer) for peer in peers},
        "overhead_median": {peer: over(middle, peer) for peer in peers},
    }  # fmt: skip


@contextlib.contextmanager
def c_peer(folder, path, batch):
    """onnxruntime_peer.c as a function of one run, if ONNXRUNTIME_INCLUDE names the folder of onnxruntime_c_api.h."""
    headers = os.environ.get("ONNXRUNTIME_INCLUDE")
    if not headers:
        yield None
        return
    source, program = pathlib.Path(__file__).parent / "onnxruntime_peer.c", folder / "peer"
    subprocess.run(["cc", "-O2", "-I", headers, source, "-ldl", "-o", program], check=True)
    place = pathlib.Path(library())
    place = next(place.glob("libonnxruntime.so*")) if place.is_dir() else place
    command = [program, place, path, str(batch), str(EXTENT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run():
            process.stdin.write("run\n")
            process.stdin.flush()
            return float(process.stdout.readline())

        yield run
        process.stdin.close()


class Tiled(torch.nn.Module):
    """The network on a 4x4 lattice: the periodic field twice in each direction."""

    def __init__(self):
        super().__init__()
        self.network = PublishedUNet(SIGMA)

    def forward(self, x, t):
        return self.network(x.repeat(1, 1, 2, 2), t)[:, :, :4, :4]


def hmc(layout, kappa, count, seed):
    action = stoq.Action.phi4(layout, kappa, 0.022)
    chain = stoq.Chain(layout, action=action, kernel=stoq.Kernel.HMC, seed=seed, integrator_steps=4)
    phi, fields = np.zeros(layout.extents), []
    for update in range(count + 100):
        for _ in range(3):
            chain.step(phi)
        if update >= 100:
            fields.append(phi.copy())
    return np.array(fields)


def train(data, steps):
    torch.manual_seed(1)
    module, log = Tiled(), math.log(SIGMA)
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    clean, losses = torch.as_tensor(data[:, None], dtype=torch.float32), []
    for _ in range(steps):
        x = clean[torch.randint(len(clean), (64,))]
        t = 0.01 + 0.99 * torch.rand(len(x))
        width = (torch.expm1(2 * log * t) / (2 * log)).sqrt()[:, None, None, None]
        noise = torch.randn_like(x)
        loss = ((width * module(x + width * noise, t) + noise) ** 2).sum(dim=(1, 2, 3)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        losses.append(float(loss.detach()))
    return module.eval(), sum(losses[-200:]) / len(losses[-200:])


def part_exact(folder, steps, updates, levels, chains, seed):
    kappa, layout = 0.21, stoq.Layout((4, 4))
    data = hmc(layout, kappa, 4096, 7)
    module, loss = train(data, steps)
    path = folder / "tiled.onnx"
    export(module, path, (4, 4), covariance=data, action=f"phi4 kappa={kappa} lambda=0.022")
    model = stoq.Model.open(path, runtime=library())
    rows = json.loads((ROOT / "tests" / "data" / "phi4_2d.json").read_text())["exact"]["rows"]
    exact = next(row for row in rows if (row["L"], row["kappa"], row["lambda"]) == (4, kappa, 0.022))
    result = {"steps": steps, "loss": loss, "kernels": {}}
    for kernel, named in [("PATH", {"levels": levels, "pool": 64}), ("RENOISE", {"levels": levels, "renoise_time": 0.5})]:
        action = stoq.Action.phi4(layout, kappa, 0.022)
        series, accepted = [], 0
        for chain_seed in range(seed, seed + chains):
            chain = stoq.Chain(layout, action=action, model=model, kernel=stoq.Kernel[kernel], seed=chain_seed, **named)
            phi = data[0].copy()
            for update in range(updates):
                chain.step(phi)
                m = phi.mean()
                if update >= updates // 20:
                    series.append([abs(m), m * m, m**4, (phi * phi).mean()])
            accepted += chain.statistics.accepted
        series = np.array(series)
        # Errors from 64 blocks, each many autocorrelation times long.
        blocks = series[: len(series) // 64 * 64].reshape(64, -1, 4).mean(axis=1)
        mean, error = series.mean(axis=0), blocks.std(axis=0, ddof=1) / 8
        names = ["abs_mag", "mag2", "mag4", "phi2"]
        result["kernels"][kernel.lower()] = {
            "acceptance": accepted / (chains * updates),
            "z": {name: round((m - exact[name]) / e, 2) for name, m, e in zip(names, mean, error)},
            "relative_error": {name: round(e / m, 5) for name, m, e in zip(names, mean, error)},
        }
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("parts", nargs="*", default=["score", "sampler", "overhead", "exact"])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--levels", type=int, default=10)
    parser.add_argument("--updates", type=int, default=8000)
    parser.add_argument("--chains", type=int, default=1)
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.folder.mkdir(parents=True, exist_ok=True)
    results = {}
    for part in given.parts:
        arguments = (given.steps, given.updates, given.levels, given.chains, given.seed) if part == "exact" else ()
        results[part] = globals()[f"part_{part}"](given.folder, *arguments)
        print(part, json.dumps(results[part]), flush=True)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
