"""Checks the model files in a folder: python check_onnx.py FOLDER

For each NAME.onnx: onnx.checker with full type and shape inference, the hash of its weights, and
ONNX Runtime's output for NAME.field and NAME.sigma (float32, little endian) against NAME.expected.
A runtime without kernels for four spatial axes is allowed to refuse a model of rank 4.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-5  # relative to the largest value of the expected output


def check_metadata(model):
    """The hash covers the metadata text and the raw weights, in the order of the file."""
    keys = {entry.key: entry.value for entry in model.metadata_props}
    metadata = json.loads(keys["stoq.metadata"])
    extents = metadata["extents"]
    assert json.loads(keys["stoq.extents"]) == extents
    assert keys["stoq.output"] == "denoiser" and keys["stoq.time"] == "sigma", keys
    digest = hashlib.sha256(keys["stoq.metadata"].encode())
    for tensor in model.graph.initializer:
        if tensor.name.endswith((".weight", ".bias")):
            digest.update(tensor.raw_data)
    assert digest.hexdigest() == keys["stoq.hash"], "hash of the weights"
    return metadata.get("components", 1), extents


def check(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    components, extents = check_metadata(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        read = lambda kind: np.fromfile(path.with_suffix("." + kind), dtype="<f4")
        sigma = read("sigma")
        field, expected = (read(kind).reshape(len(sigma), components, *extents) for kind in ("field", "expected"))
        (found,) = session.run(["denoised"], {"field": field, "sigma": sigma})
    except Exception as error:  # the runtime's own exception classes are not public
        if len(extents) < 4:
            raise
        print(f"{path.stem}: not run, the runtime refuses rank 4 ({str(error)[:120]})")
        return True
    assert found.shape == expected.shape, (found.shape, expected.shape)
    (single,) = session.run(["denoised"], {"field": field[1:2], "sigma": sigma[1:2]})
    # One noise level at a time: small outputs must not hide behind large ones.
    axes = tuple(range(1, found.ndim))
    scale = np.abs(expected).max(axis=axes)
    deviation = (np.abs(found - expected).max(axis=axes) / scale).max()
    alone = np.abs(single[0] - expected[1]).max() / scale[1]
    good = bool(max(deviation, alone) <= TOLERANCE)
    print(f"{path.stem}: {'agrees' if good else 'DIFFERS'}, largest deviation {deviation:.1e} ({alone:.1e} alone)")
    return good


def main(folder):
    paths = sorted(pathlib.Path(folder).glob("*.onnx"))
    results = [check(path) for path in paths]
    return 0 if paths and all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
