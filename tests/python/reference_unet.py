"""Writes tests/data/unet_reference.json: python tests/python/reference_unet.py

The U-Net of src/nn, written down a second time in PyTorch and double precision: output, tangent and gradients.
Weights and inputs follow from formulas, so the file only holds results; tests/unet_reference.rs reads it.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

EXTENTS, CHANNELS, INPUTS, EMBEDDING, LOG_NOISE = [4, 8], [3, 5], 2, 6, 0.7


def formula(count, slope, phase, amplitude):
    """amplitude * sin(slope * index + phase)."""
    return amplitude * torch.sin(slope * torch.arange(count, dtype=torch.float64) + phase)


def layout():
    """Names and native shapes in the order of the flat vector: [inputs, taps, outputs] for convolutions."""
    entries = []

    def convolution(name, taps, inputs, outputs):
        entries.extend([(f"{name}.weight", [inputs, taps, outputs]), (f"{name}.bias", [outputs])])

    def dense(name, inputs, outputs):
        entries.extend([(f"{name}.weight", [inputs, outputs]), (f"{name}.bias", [outputs])])

    levels = range(len(CHANNELS))
    blocks = [(f"level{level}.down", level) for level in levels]
    blocks += [(f"level{level}.up", level) for level in reversed(levels)]
    convolution("input", 9, INPUTS, CHANNELS[0])
    for level in levels[:-1]:
        convolution(f"level{level}.coarsen", 1, 4 * CHANNELS[level], CHANNELS[level + 1])
        convolution(f"level{level}.refine", 1, CHANNELS[level + 1], 4 * CHANNELS[level])
    for name, level in blocks:
        for part in ("first", "second"):
            convolution(f"{name}.{part}", 9, CHANNELS[level], CHANNELS[level])
    convolution("output", 9, CHANNELS[0], 1)
    dense("embedding.first", 16, EMBEDDING)
    dense("embedding.second", EMBEDDING, EMBEDDING)
    for name, level in blocks:
        dense(f"{name}.modulation", EMBEDDING, 2 * CHANNELS[level])
    return entries


def parameters():
    sizes = [torch.Size(shape).numel() for _, shape in layout()]
    flat = formula(sum(sizes), 0.7, 0.3, 0.4).split(sizes)
    return {name: values.reshape(shape) for (name, shape), values in zip(layout(), flat)}


def convolution(p, name, x):
    """Correlation with a stencil of 3 x 3, periodic."""
    weight = p[f"{name}.weight"]
    weight = weight.permute(2, 0, 1).reshape(weight.shape[2], weight.shape[0], 3, 3)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), weight, p[f"{name}.bias"])


def mixing(p, name, x):
    weight = p[f"{name}.weight"]
    return F.conv2d(x, weight.permute(2, 0, 1)[..., None], p[f"{name}.bias"])


def dense(p, name, x):
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def block(p, name, x, embedding):
    h = convolution(p, f"{name}.first", F.silu(x))
    scale, shift = dense(p, f"{name}.modulation", embedding)[None, :, None, None].chunk(2, dim=1)
    return x + convolution(p, f"{name}.second", F.silu((1 + scale) * h + shift))


def network(p, x):
    angles = LOG_NOISE * (0.1 + 1.4 * torch.arange(8, dtype=torch.float64) / 7)
    embedding = F.silu(dense(p, "embedding.first", torch.cat([angles.sin(), angles.cos()])))
    embedding = F.silu(dense(p, "embedding.second", embedding))
    x, kept = convolution(p, "input", x), []
    for level in range(len(CHANNELS)):
        x = block(p, f"level{level}.down", x, embedding)
        if level + 1 < len(CHANNELS):
            kept.append(x)
            x = mixing(p, f"level{level}.coarsen", F.pixel_unshuffle(x, 2))
    for level in reversed(range(len(CHANNELS))):
        x = block(p, f"level{level}.up", x, embedding)
        if level > 0:
            x = kept.pop() + F.pixel_shuffle(mixing(p, f"level{level - 1}.refine", x), 2)
    return convolution(p, "output", F.silu(x))


def main():
    sites = EXTENTS[0] * EXTENTS[1]
    field = formula(INPUTS * sites, 1.3, 0.1, 1.5).reshape(1, INPUTS, *EXTENTS)
    direction = formula(INPUTS * sites, 0.9, 0.2, 1.0).reshape_as(field)
    cotangent = formula(sites, 1.1, 0.4, 1.0).reshape(1, 1, *EXTENTS)
    p = parameters()
    output, tangent = torch.func.jvp(lambda x: network(p, x), (field,), (direction,))
    field.requires_grad_(True)
    for values in p.values():
        values.requires_grad_(True)
    gradients = torch.autograd.grad(network(p, field), [field, *p.values()], cotangent)
    entries = []
    for (name, values), gradient in zip(p.items(), gradients[1:]):
        count = values.numel()
        indices = sorted({0, count // 3, count // 2, count - 1})
        chosen = [[index, float(gradient.flatten()[index])] for index in indices]
        entries.append({"name": name, "length": count, "norm": float(gradient.norm()), "values": chosen})
    reference = {
        "about": "written by tests/python/reference_unet.py (PyTorch, double precision)",
        "extents": EXTENTS,
        "channels": CHANNELS,
        "inputs": INPUTS,
        "embedding": EMBEDDING,
        "log_noise": LOG_NOISE,
        "output": output.flatten().tolist(),
        "tangent": tangent.flatten().tolist(),
        "input_gradient": gradients[0].flatten().tolist(),
        "gradient": entries,
    }
    path = pathlib.Path(__file__).resolve().parents[1] / "data" / "unet_reference.json"
    path.write_text(json.dumps(reference, indent=1) + "\n")


if __name__ == "__main__":
    main()
