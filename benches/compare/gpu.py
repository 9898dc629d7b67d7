"""An exported network on an NVIDIA device: python gpu.py NETWORK.onnx [PART ..] [--device cuda:0]

On a machine without a device it says so and ends with status 3; nothing is measured and nothing is claimed. With --device cpu the
same parts run there on tiny sizes, to show that they run: those numbers mean nothing. PARTs, all by default, printed as JSON:
  correctness  stoq on the device against stoq on the CPU, relative to the largest value; whether a field's score has the same
               bits alone and among others. Fails above --tolerance
  batches      configurations a second by batch, the batch that stoq finds by itself, and of the largest: the network alone
               (inputs and output on the device), transfers and the rest of stoq
  sampler      Euler-Maruyama steps (500): configurations a second with the steps taken by the host and by the graph around the
               network, and how far their samples from the same noise are apart
  tf32         acceptance and Var(log w) of the path kernel with TF32 off and on, if the file names a phi^4 action
  torch        PyTorch on the same card, the network of tests/python/published_unet.py, compiled, without TF32: configurations a
               second by batch and of the loop of 500 steps; the rate of a large product of matrices, of single precision and
               TF32; and the fraction of it that PyTorch reaches, and stoq if NETWORK is that network

NETWORK.onnx must say all about itself (stoq.export); `exported_network.py FOLDER score` writes one. Needs libstoq (STOQ_LIBRARY),
onnxruntime-gpu, or STOQ_ONNXRUNTIME, and CUDA with cuDNN where the loader finds them; the last part needs PyTorch.
"""

import argparse
import json
import math
import pathlib
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bindings" / "python"), str(ROOT / "tests" / "python")]
import stoq  # noqa: E402

PARTS = ["correctness", "batches", "sampler", "tf32", "torch"]


class Sizes:
    """What is run: on a device, and to try the script."""

    def __init__(self, tiny):
        self.batches = [1, 4] if tiny else [1, 8, 64, 256, 1024]
        self.compared = 4 if tiny else 32
        self.steps = 6 if tiny else 500
        self.samples = 4 if tiny else 1024
        self.updates = 40 if tiny else 4000
        self.matrix = 256 if tiny else 8192
        self.repeats = 2 if tiny else 10


def best(run, repeats):
    run()
    times = []
    for _ in range(repeats):
        clock = time.perf_counter()
        run()
        times.append(time.perf_counter() - clock)
    return min(times)


class Bench:
    def __init__(self, given):
        self.given, self.sizes = given, Sizes(given.device == "cpu")
        self.host = stoq.Model.open(given.network)
        generator, largest = np.random.default_rng(1), self.sizes.batches[-1]
        self.fields = generator.standard_normal((largest, *self.host.layout.shape))
        self.times = np.linspace(0.05, 1, largest)
        self.rates = {}

    def open(self, **named):
        return stoq.Model.open(self.given.network, device=self.given.device, **named)

    def correctness(self):
        count = self.sizes.compared
        fields, times = self.fields[:count], np.linspace(0.05, 1, count)
        model, expected = self.open(batch=count), self.host.score(fields, times)
        found = model.score(fields, times)
        alone = np.concatenate([model.score(fields[i : i + 1], times[i : i + 1]) for i in range(count)])
        return {
            "relative_difference": float(abs(found - expected).max() / abs(expected).max()),
            "same_bits": bool((alone == found).all()),
        }

    def batches(self):
        for size in self.sizes.batches:
            model = self.open(batch=size)
            seconds = best(lambda: model.score(self.fields[:size], self.times[:size]), self.sizes.repeats)
            self.rates[size] = size / seconds
        whole = self.sizes.batches[-1] / self.rates[self.sizes.batches[-1]]
        alone = self.network_alone()
        stages = {"whole": whole, "network": alone, "transfers_and_rest": whole - alone}
        return {"rates": self.rates, "found": self.open().metadata("batches"), "stages_of_the_largest": stages}

    def network_alone(self):
        """Seconds of the largest batch with inputs and output on the device."""
        import onnxruntime

        kind, _, number = self.given.device.partition(":")
        number, options = int(number or 0), onnxruntime.SessionOptions()
        provider = ("CUDAExecutionProvider", {"device_id": number, "use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"})
        if kind == "cpu":
            provider, options.intra_op_num_threads = "CPUExecutionProvider", 1
        session = onnxruntime.InferenceSession(self.given.network, options, providers=[provider])
        assert kind in session.get_providers()[0].lower(), "fell back to the CPU"
        binding, (field, t) = session.io_binding(), session.get_inputs()
        single = self.fields.astype(np.float32).reshape([len(self.fields), *field.shape[1:]])
        for port, values in [(field, single), (t, self.times.astype(np.float32))]:
            binding.bind_ortvalue_input(port.name, onnxruntime.OrtValue.ortvalue_from_numpy(values, kind, number))
        binding.bind_output(session.get_outputs()[0].name, kind, number)

        def run():
            session.run_with_iobinding(binding)
            binding.synchronize_outputs()

        return best(run, self.sizes.repeats)

    def sampler(self):
        result, samples = {}, {}
        times = np.linspace(1e-3, 1, self.sizes.steps)
        for name in ("HOST", "DEVICE"):
            model = self.open(steps=stoq.Steps[name], batch=self.sizes.batches[-2])
            named = dict(method=stoq.Method.EULER_MARUYAMA, times=times, seed=3, batch=self.sizes.samples)
            generator = stoq.Generator(model, **named)
            generator.generate(0, 1)
            clock = time.perf_counter()
            samples[name] = generator.generate(0, self.sizes.samples)
            seconds = time.perf_counter() - clock
            result[name.lower()] = {"configurations_per_second": self.sizes.samples / seconds, "steps": model.metadata("steps")}
        difference = abs(samples["HOST"] - samples["DEVICE"]).max() / abs(samples["HOST"]).max()
        return result | {"number_of_steps": len(times), "relative_difference": float(difference)}

    def tf32(self):
        name, *couplings = json.loads(self.host.metadata()).get("action", "none").split()
        if name != "phi4":
            return "the file names no phi4 action"
        couplings = {key: float(value) for key, value in (word.split("=") for word in couplings)}
        layout, result = self.host.layout, {}
        action = stoq.Action.phi4(layout, couplings["kappa"], couplings["lambda"])
        for allow in (0, 1):
            model = self.open(allow_tf32=allow, batch=self.sizes.batches[-2])
            generator = stoq.Generator(model, method=stoq.Method.POSTERIOR, levels=20, seed=4, batch=self.sizes.samples)
            fields, weights = generator.generate(0, self.sizes.samples, log_weights=True)
            log_w = weights - np.array([action.evaluate(field) for field in fields])
            chain = stoq.Chain(layout, action=action, model=model, kernel=stoq.Kernel.PATH, levels=20, pool=64, seed=5)
            phi = np.ascontiguousarray(fields[0])
            for _ in range(self.sizes.updates):
                chain.step(phi)
            acceptance = chain.statistics.accepted / chain.statistics.steps
            result["on" if allow else "off"] = {"acceptance": acceptance, "var_log_w": float(log_w.var(ddof=1))}
        return result

    def torch(self):
        import torch
        from published_unet import PublishedUNet
        from torch.utils.flop_counter import FlopCounterMode

        device, result = self.given.device, {"rates": {}}
        wait = torch.cuda.synchronize if device != "cpu" else lambda: None
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        plain = PublishedUNet().eval().to(device)
        module = torch.compile(plain)
        extents = self.fields.shape[1:]
        field = lambda size: torch.randn((size, 1, *extents), device=device)
        with torch.no_grad():
            with FlopCounterMode(display=False) as counter:
                plain(field(1), torch.full((1,), 0.3, device=device))
            result["flop_per_configuration"] = counter.get_total_flops()
            for size in self.sizes.batches:
                x, t = field(size), torch.full((size,), 0.3, device=device)

                def run():
                    module(x, t)
                    wait()

                result["rates"][size] = size / best(run, self.sizes.repeats)
            result["sampler"] = self.torch_sampler(module, field, wait)
            for name, allow in [("single", False), ("tf32", True)]:
                torch.backends.cuda.matmul.allow_tf32 = allow
                n = self.sizes.matrix
                a, b = torch.randn((2, n, n), device=device)

                def product():
                    a @ b
                    wait()

                result[f"matrix_rate_{name}"] = 2 * n**3 / best(product, self.sizes.repeats)
        fraction = lambda rate: rate * result["flop_per_configuration"] / result["matrix_rate_single"]
        result["fraction_of_matrix_rate"] = {"torch": fraction(max(result["rates"].values()))}
        if self.rates:
            result["fraction_of_matrix_rate"]["stoq_if_published"] = fraction(max(self.rates.values()))
        return result

    def torch_sampler(self, module, field, wait, sigma=25.0):
        """The loop of the literature, everything on the device: configurations a second, by batch."""
        import torch

        log, steps, rates = math.log(sigma), self.sizes.steps, {}
        times = np.linspace(1, 1e-3, steps)
        step = times[0] - times[1]
        for size in self.sizes.batches[-3:]:
            clocks = []
            for _ in range(2):
                wait()
                clock = time.perf_counter()
                x = math.sqrt(math.expm1(2 * log) / (2 * log)) * field(size)
                for t in times:
                    g = sigma**t
                    score = module(x, torch.full((size,), float(t), device=x.device))
                    x = x + step * g * g * score + math.sqrt(step) * g * torch.randn_like(x)
                wait()
                clocks.append(time.perf_counter() - clock)
            rates[size] = size / min(clocks)
        return rates


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    try:
        stoq.Model.open(given.network, device=given.device)
    except stoq.Error as error:
        if error.status == stoq.Status.DEVICE_UNAVAILABLE:
            print(f"no device: {error}", file=sys.stderr)
            return 3
        raise
    bench = Bench(given)
    result = {part: getattr(bench, part)() for part in PARTS if part in given.parts}
    print(json.dumps({"device": given.device, **result}, indent=1))
    found = result.get("correctness")
    return 0 if found is None or found["relative_difference"] <= given.tolerance and found["same_bits"] else 1


if __name__ == "__main__":
    sys.exit(main())
