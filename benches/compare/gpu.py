"""An exported network on an NVIDIA device: python gpu.py NETWORK.onnx [--device cuda:0] [--torch]

On a machine without a device it says so and ends with status 3; nothing is measured and nothing is claimed. On one with a
device it prints, as JSON:
  correctness   stoq on the device against stoq on the CPU, relative to the largest value; fails above --tolerance
  same_bits     whether a field's score is the same to the bit alone and among others
  batches       configurations a second by batch
  stages        of the largest batch: the network alone (inputs and output on the device), transfers and the rest of stoq
  torch         with --torch, the published network (tests/python/published_unet.py) in PyTorch, compiled, on the same card

NETWORK.onnx must say all about itself (stoq.export); `exported_network.py FOLDER score` writes one. Needs libstoq (STOQ_LIBRARY),
onnxruntime-gpu, or STOQ_ONNXRUNTIME, and CUDA with cuDNN where the loader finds them.
"""

import argparse
import json
import pathlib
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bindings" / "python"), str(ROOT / "tests" / "python")]
import stoq  # noqa: E402

SIZES = [1, 8, 64, 256, 1024]


def best(run, repeats=10):
    run()
    times = []
    for _ in range(repeats):
        clock = time.perf_counter()
        run()
        times.append(time.perf_counter() - clock)
    return min(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--torch", action="store_true")
    given = parser.parse_args()
    try:
        stoq.Model.open(given.network, device=given.device)
    except stoq.Error as error:
        if error.status == stoq.Status.DEVICE_UNAVAILABLE:
            print(f"no device: {error}", file=sys.stderr)
            return 3
        raise
    host = stoq.Model.open(given.network)
    shape, generator = host.layout.shape, np.random.default_rng(1)
    fields, times = generator.standard_normal((SIZES[-1], *shape)), np.linspace(0.05, 1, SIZES[-1])
    expected = host.score(fields[:32], times[::32])
    result = {"batches": {}}
    for size in SIZES:
        model = stoq.Model.open(given.network, device=given.device, batch=size)
        if size == SIZES[2]:
            found = model.score(fields[:32], times[::32])
            off = abs(found - expected).max() / abs(expected).max()
            alone = np.concatenate([model.score(fields[i : i + 1], times[32 * i : 32 * i + 1]) for i in range(32)])
            result["correctness"], result["same_bits"] = float(off), bool((alone == found).all())
        result["batches"][size] = size / best(lambda: model.score(fields[:size], times[:size]))
    whole = SIZES[-1] / result["batches"][SIZES[-1]]
    alone = network_alone(given, fields, times)
    result["stages"] = {"whole": whole, "network": alone, "transfers_and_rest": whole - alone}
    if given.torch:
        result["torch"] = torch_rate(fields)
    print(json.dumps(result, indent=1))
    return 0 if result["correctness"] <= given.tolerance and result["same_bits"] else 1


def network_alone(given, fields, times):
    """Seconds of the largest batch with inputs and output on the device."""
    import onnxruntime

    number = int(given.device.partition(":")[2] or 0)
    provider = ("CUDAExecutionProvider", {"device_id": number, "use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"})
    session = onnxruntime.InferenceSession(given.network, providers=[provider])
    assert session.get_providers()[0] == "CUDAExecutionProvider", "fell back to the CPU"
    binding = session.io_binding()
    field, t = (port for port in session.get_inputs())
    single = fields.astype(np.float32).reshape([len(fields), *field.shape[1:]])
    for port, values in [(field, single), (t, times.astype(np.float32))]:
        binding.bind_ortvalue_input(port.name, onnxruntime.OrtValue.ortvalue_from_numpy(values, "cuda", number))
    binding.bind_output(session.get_outputs()[0].name, "cuda", number)

    def run():
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return best(run)


def torch_rate(fields):
    """Configurations a second by batch, compiled, without TF32."""
    import torch
    from published_unet import PublishedUNet

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    module, rates = torch.compile(PublishedUNet().eval().cuda()), {}
    for size in SIZES:
        x = torch.as_tensor(fields[:size, None], dtype=torch.float32, device="cuda")
        t = torch.full((size,), 0.3, device="cuda")

        def run():
            with torch.no_grad():
                module(x, t)
            torch.cuda.synchronize()

        rates[size] = size / best(run)
    return rates


if __name__ == "__main__":
    sys.exit(main())
