"""Exports a PyTorch score network to an ONNX file that stoq opens without options.

    stoq.export(network, "model.onnx", scheme="variance-expanding", sigma=25, output="score", time="t", extents=(32, 32))

The file carries what stoq must know (metadata under "stoq."), and a test vector: what the network answers to random fields,
computed by PyTorch. Opening replays it, so that a conversion that changed the network is refused.

This module needs torch, onnx and onnxscript (those that torch.onnx.export needs), and nothing else of this package: it may be copied
to a machine without libstoq.
"""

import json
import math
import os

SCHEMES = ("variance-expanding", "variance-preserving", "interpolating")
OUTPUTS = ("score", "sigma*score", "noise", "denoiser")
TIMES = ("t", "sigma", "log sigma")
CHANNELS = ("none", "first", "last")

# Of the largest output: what two correct evaluations of one network may differ by in single precision.
TOLERANCE = {"float16": 2e-2, "float32": 1e-4, "float64": 1e-9}


def export(
    module,
    path,
    *,
    scheme,
    output,
    time,
    extents,
    sigma=25.0,
    contraction=None,
    components=1,
    channels="first",
    scale=1.0,
    shift=0.0,
    angles_over_pi=False,
    covariance=None,
    action=None,
    batch=None,
    dtype=None,
    times=None,
    opset=20,
    seed=1,
    tolerance=None,
):
    """Writes `module`, called as module(field, time), to the ONNX file `path`.

    scheme          "variance-expanding", "variance-preserving" or "interpolating" (with `contraction`), g(t) = sigma^t, t in
                    [0, 1]; see stoq.Schedule.
    output          what the module returns: "score", "sigma*score", "noise" or "denoiser".
    time            what its second argument is, of shape (batch,): "t", or "sigma" or "log sigma" of the noise relative to the
                    signal. With "t" the field enters as it is at that time, else divided by the signal.
    extents         sites along each axis, slowest first; the field has shape (batch, components, *extents), or as
                    `channels` says: "first", "last", or "none" for (batch, *extents).
    scale, shift    the module sees (phi - shift) / scale. angles_over_pi: angles, which it sees over pi.
    covariance      of the data: one number for white noise, one value a momentum class, or an array of configurations (count,
                    *extents), from which it is measured. It shapes proposals.
    action          such as "phi4 kappa=0.27 lambda=0.022".
    batch           None: any batch; or a fixed one.
    dtype           the element type, such as torch.float16; None: that of the module's parameters. (ONNX Runtime has
                    convolutions in double precision on few devices.)
    times           range of the second argument in the test vector; None: a sensible one.

    PyTorch cannot export derivatives: stoq takes central differences for likelihoods of such a network. A graph written
    otherwise may have a third input "cotangent" of the field's shape and an output "vjp", its product with the transposed
    derivative.

    Returns the largest difference of ONNX Runtime from PyTorch on the test vector, relative to the largest output, or None
    where the package onnxruntime is not installed.
    """
    import onnx
    import torch

    for name, value, known in [
        ("scheme", scheme, SCHEMES), ("output", output, OUTPUTS), ("time", time, TIMES), ("channels", channels, CHANNELS)
    ]:  # fmt: skip
        if value not in known:
            raise ValueError(f"{name} = {value!r}: expected one of {', '.join(known)}")
    if (scheme == "interpolating") != (contraction is not None):
        raise ValueError(f"contraction = {contraction}: expected a number with the interpolating scheme, and only there")
    if channels == "none" and components != 1:
        raise ValueError(f"components = {components}: expected 1 with channels='none'")
    extents = tuple(int(extent) for extent in extents)
    module = module.eval()
    parameter = next(iter(module.parameters()), None)
    dtype = dtype or (torch.float32 if parameter is None else parameter.dtype)
    device = torch.device("cpu") if parameter is None else parameter.device
    module = module.to(dtype=dtype, device="cpu")
    try:
        field, level = _test_inputs(torch, channels, components, extents, time, times, batch or 2, dtype, seed)
        with torch.no_grad():
            answer = module(field, level)
        if answer.shape != field.shape:
            raise ValueError(f"the module returns shape {tuple(answer.shape)}, expected that of the field, {tuple(field.shape)}")
        if not torch.isfinite(answer).all():
            raise ValueError("the module returns NaN or infinity on white noise: are the arguments (field, time)?")
        _convert(torch, module, path, field, level, batch, opset)
    finally:
        module.to(device=device)
    name = str(dtype).removeprefix("torch.")
    tolerance = TOLERANCE[name] if tolerance is None else float(tolerance)
    flat = lambda tensor: [float(x) for x in tensor.double().flatten()]
    vector = {"field": flat(field), "time": flat(level), "output": flat(answer), "tolerance": tolerance}
    scale = math.pi if angles_over_pi else float(scale)
    entries = {
        "schema": "1", "scheme": scheme, "sigma": repr(float(sigma)), "T": "1", "output": output, "time": time,
        "scale": repr(scale), "shift": repr(float(shift)), "channels": channels,
        "extents": json.dumps(list(extents)).replace(" ", ""), "components": str(int(components)), "test": json.dumps(vector),
    }  # fmt: skip
    if contraction is not None:
        entries["contraction"] = repr(float(contraction))
    if covariance is not None:
        entries["covariance"] = json.dumps(_covariance(covariance, components, extents))
    if action is not None:
        entries["action"] = action
    model = onnx.load(path)
    kept = [entry for entry in model.metadata_props if not entry.key.startswith("stoq.")]
    del model.metadata_props[:]
    for entry in kept:
        model.metadata_props.add(key=entry.key, value=entry.value)
    for key, value in entries.items():
        model.metadata_props.add(key=f"stoq.{key}", value=value)
    onnx.save(model, path)
    return _difference(path, field, level, answer)


def _test_inputs(torch, channels, components, extents, time, times, batch, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = {"none": extents, "first": (components, *extents), "last": (*extents, components)}[channels]
    field = torch.randn(batch, *shape, generator=generator, dtype=torch.float64).to(dtype)
    low, high = times or {"t": (0.1, 0.9), "sigma": (0.3, 3.0), "log sigma": (-1.0, 1.0)}[time]
    level = torch.linspace(float(low), float(high), batch, dtype=torch.float64).to(dtype)
    return field, level


def _convert(torch, module, path, field, level, batch, opset):
    shapes = None
    if batch is None:
        axis = torch.export.Dim("batch", min=1)
        shapes = ({0: axis}, {0: axis})
    torch.onnx.export(
        module, (field, level), os.fspath(path), input_names=["field", "time"], output_names=["output"],
        dynamic_shapes=shapes, dynamo=True, external_data=False, opset_version=opset, verbose=False,
    )  # fmt: skip


def _covariance(covariance, components, extents):
    """Numbers as they are; of configurations <|phi_p|^2>, one value a momentum."""
    import numpy as np

    values = np.asarray(covariance, dtype=np.float64)
    if values.ndim <= 1:
        return [float(x) for x in np.atleast_1d(values)]
    sites = int(np.prod(extents))
    if values.shape[1:] not in (extents, (components, *extents)):
        raise ValueError(f"covariance has shape {values.shape}: expected configurations of shape (count, *{extents})")
    fields = values.reshape(len(values), components, *extents)
    axes = tuple(range(2, 2 + len(extents)))
    power = (np.abs(np.fft.fftn(fields, axes=axes)) ** 2).mean(axis=0) / sites
    # One value a momentum; the mean over k and -k is even to rounding, which is asked for.
    mirrored = power
    for axis in range(1, 1 + len(extents)):
        mirrored = np.roll(np.flip(mirrored, axis), 1, axis)
    return [float(x) for x in (0.5 * (power + mirrored)).flatten()]


def _difference(path, field, level, answer):
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
    found = session.run(["output"], {"field": field.numpy(), "time": level.numpy()})[0]
    expected = answer.numpy()
    return float(abs(found - expected).max() / abs(expected).max())
