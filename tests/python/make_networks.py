"""Writes small networks as other programs export them, good and bad: python make_networks.py FOLDER

For each good one, NAME.onnx, cases.json holds what ONNX Runtime itself answers to a batch; for each bad one, a word that
the refusal must have. tests/onnx_runtime.rs reads it.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FLOATS = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "float16": TensorProto.FLOAT16}
SCHEME = {"stoq.schema": "1", "stoq.scheme": "variance-expanding", "stoq.sigma": "25"}
RANDOM = np.random.default_rng(5)


class Graph:
    """Nodes and constants of one network."""

    def __init__(self, dtype="float32"):
        self.nodes, self.tensors, self.dtype = [], [], dtype

    def node(self, operator, inputs, output, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, name, values, dtype=None):
        self.tensors.append(numpy_helper.from_array(np.asarray(values, dtype=dtype or self.dtype), name))
        return name

    def rename(self, name, to):
        for node in self.nodes:
            for names in (node.input, node.output):
                names[:] = [to if found == name else found for found in names]

    def save(self, path, inputs, outputs, metadata, opset=20):
        port = lambda name, shape, dtype=self.dtype: helper.make_tensor_value_info(name, FLOATS[dtype], shape)
        graph = helper.make_graph(
            self.nodes, "network", [port(*p) for p in inputs], [port(*p) for p in outputs], self.tensors
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        for key, value in metadata.items():
            model.metadata_props.add(key=key, value=value)
        onnx.save(model, path)


def convolutions(extents, components=1, channels="first", dtype="float32", batch=None, time="per field"):
    """x -> sigma*score: a little convolutional network with periodic padding, modulated by time, minus x / 2."""
    g, rank, width = Graph(dtype), len(extents), 6
    ones = [1] * rank
    field = "field"
    if channels == "last":
        field = g.node("Transpose", ["field"], "first", perm=[0, rank + 1, *range(1, rank + 1)])
    if channels == "none":
        field = g.node("Reshape", ["field", g.constant("with", [-1, 1, *extents], "int64")], "first")
    weights = lambda *shape: 0.6 * RANDOM.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    pad = g.constant("pad", [0, 0, *ones, 0, 0, *ones], "int64")
    h = g.node("Pad", [field, pad], "padded", mode="wrap")
    h = g.node("Conv", [h, g.constant("w1", weights(width, components, *[3] * rank))], "conv1")
    column = g.node("Reshape", ["time", g.constant("column", [-1, 1], "int64")], "time.column")
    shift = g.node("Gemm", [column, g.constant("wt", weights(1, width)), g.constant("bt", weights(width))], "time.shift")
    shift = g.node("Reshape", [shift, g.constant("spread", [-1, width, *ones], "int64")], "shift")
    h = g.node("Add", [h, shift], "shifted")
    h = g.node("Mul", [h, g.node("Sigmoid", [h], "gate")], "active")
    h = g.node("Pad", [h, pad], "padded2", mode="wrap")
    h = g.node("Conv", [h, g.constant("w2", weights(components, width, *[3] * rank))], "conv2")
    half = g.node("Mul", [field, g.constant("half", 0.5)], "half.field")
    out = g.node("Sub", [h, half], "difference")
    if channels == "last":
        out = g.node("Transpose", [out], "last", perm=[0, *range(2, rank + 2), 1])
    if channels == "none":
        out = g.node("Reshape", [out, g.constant("without", [-1, *extents], "int64")], "without.channel")
    g.node("Identity", [out], "answer")
    size = batch or "batch"
    shape = {"first": [size, components, *extents], "last": [size, *extents, components], "none": [size, *extents]}[channels]
    times = {"per field": [size], "column": [size, 1], "scalar": [], "one": [1]}[time]
    return g, [("field", shape), ("time", times)], [("answer", shape)]


def dense(extents, dtype, vjp=False):
    """x -> D(x) = A tanh(B x) e^(-time), with its transposed derivative if wanted: products of matrices only."""
    g, sites = Graph(dtype), int(np.prod(extents))
    flat, back = g.constant("flat", [-1, sites], "int64"), g.constant("back", [-1, *extents], "int64")
    weights = np.random.default_rng(7).standard_normal((2, sites, sites)) / np.sqrt(sites)
    a, b = g.constant("a", 0.5 * weights[0]), g.constant("b", weights[1])
    x = g.node("Reshape", ["field", flat], "x")
    column = g.node("Reshape", ["time", g.constant("column", [-1, 1], "int64")], "column.time")
    decay = g.node("Exp", [g.node("Neg", [column], "minus")], "decay")
    t = g.node("Tanh", [g.node("MatMul", [x, b], "bx")], "t")
    y = g.node("Mul", [g.node("MatMul", [t, a], "at"), decay], "y")
    g.node("Reshape", [y, back], "answer")
    shape = ["batch", *extents]
    inputs, outputs = [("field", shape), ("time", ["batch"])], [("answer", shape)]
    if vjp:
        v = g.node("Mul", [g.node("Reshape", ["cotangent", flat], "v"), decay], "v.decay")
        slope = g.node("Sub", [g.constant("one", 1.0), g.node("Mul", [t, t], "tt")], "slope")
        v = g.node("MatMul", [v, g.node("Transpose", [a], "a.t", perm=[1, 0])], "va")
        v = g.node("MatMul", [g.node("Mul", [v, slope], "vs"), g.node("Transpose", [b], "b.t", perm=[1, 0])], "vb")
        g.node("Reshape", [v, back], "vjp")
        inputs.append(("cotangent", shape))
        outputs.append(("vjp", shape))
    return g, inputs, outputs


def branch(made):
    """The same network, its last value through an If."""
    g, inputs, outputs = made
    g.nodes[-1].output[0] = "straight"
    value = helper.make_tensor_value_info("answer.then", TensorProto.FLOAT, None)
    there = helper.make_graph([helper.make_node("Identity", ["straight"], ["answer.then"])], "there", [], [value])
    value = helper.make_tensor_value_info("answer.else", TensorProto.FLOAT, None)
    other = helper.make_graph([helper.make_node("Neg", ["straight"], ["answer.else"])], "other", [], [value])
    size = g.node("Size", ["straight"], "size")
    positive = g.node("Greater", [size, g.constant("none", 0, "int64")], "positive")
    g.node("If", [positive], "answer", then_branch=there, else_branch=other)
    return g, inputs, outputs


def scalar_field(extents, variance):
    """(x, sigma) -> D: a white Wiener filter with a correction by a convolution, which is wrong; for exact kernels."""
    g, ones = Graph(), [1] * len(extents)
    sigma = g.node("Reshape", ["time", g.constant("column", [-1, 1, *ones], "int64")], "sigma")
    square = g.node("Mul", [sigma, sigma], "square")
    gain = g.node("Add", [square, g.constant("variance", variance)], "total")
    gain = g.node("Div", ["variance", gain], "gain")
    share = g.node("Div", [square, g.node("Add", [square, g.constant("one", 1.0)], "one.more")], "share")
    x = g.node("Mul", ["field", gain], "filtered")
    h = g.node("Pad", [x, g.constant("pad", [0, 0, *ones, 0, 0, *ones], "int64")], "padded", mode="wrap")
    weights = np.random.default_rng(8).standard_normal((2, 4, 9)) / 6
    h = g.node("Conv", [h, g.constant("w1", weights[0].reshape(4, 1, 3, 3))], "conv1")
    h = g.node("Conv", [g.node("Tanh", [h], "tanh"), g.constant("w2", weights[1, :, :1].reshape(1, 4, 1, 1))], "conv2")
    g.node("Add", [x, g.node("Mul", [h, share], "correction")], "answer")
    shape = ["batch", 1, *extents]
    return g, [("field", shape), ("time", ["batch"])], [("answer", shape)]


def answers(path, shape, time_shape, dtype, count, time_of):
    """What ONNX Runtime says to a batch, noise levels and all."""
    noise = np.geomspace(0.2, 4.0, count)
    if time_shape in ([], [1]):
        noise[:] = noise[0]
    field = RANDOM.standard_normal((count, *shape[1:]))
    time = time_of(noise)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    times = time[:1].reshape(time_shape) if time_shape in ([], [1]) else time.reshape([count, *time_shape[1:]])
    inputs = {"field": field.astype(dtype), "time": times.astype(dtype)}
    if any(port.name == "cotangent" for port in session.get_inputs()):
        inputs["cotangent"] = inputs["field"]
    (output,) = session.run(["answer"], inputs)
    flat = lambda array: [float(x) for x in np.asarray(array, dtype="float64").flatten()]
    return {"noise": flat(noise), "field": flat(inputs["field"]), "time": flat(inputs["time"]), "output": flat(output)}


def good(folder, cases):
    def add(name, made, dtype="float32", fixed=None, tested=False, opset=20, **facts):
        g, inputs, outputs = made
        metadata = SCHEME | {"stoq.output": facts["output"], "stoq.time": facts["time"]} | facts.get("more", {})
        path = folder / f"{name}.onnx"
        g.save(path, inputs, outputs, metadata, opset)
        time_of = {"sigma": lambda s: s, "log sigma": np.log}[facts["time"]]
        found = answers(path, inputs[0][1], inputs[1][1], dtype, fixed or 5, time_of)
        if tested:
            vector = {key: found[key] for key in ("field", "time", "output")} | {"tolerance": 1e-5}
            g.save(path, inputs, outputs, metadata | {"stoq.test": json.dumps(vector)})
        cases["good"][name] = found | {"dtype": dtype, "output_kind": facts["output"], "last": facts.get("last", False)}

    score, log = dict(output="sigma*score", time="log sigma"), dict(output="noise", time="sigma")
    add("rank1", convolutions([8]), **score)
    add("rank2", convolutions([4, 6]), tested=True, **score)
    add("rank3", convolutions([4, 2, 6]), **score)
    add("two_components", convolutions([4, 4], components=2), more={"stoq.channels": "first"}, **log)
    add("last", convolutions([4, 6], components=2, channels="last"), last=True, more={"stoq.channels": "last"}, **score)
    add("none", convolutions([4, 6], channels="none"), more={"stoq.extents": "[4,6]"}, **score)
    add("column", convolutions([4, 4], time="column"), **log)
    add("scalar_time", convolutions([4, 4], time="scalar"), **score)
    add("one_time", convolutions([4, 4], time="one"), **score)
    add("fixed", convolutions([4, 4], batch=6), fixed=6, **score)
    add("alone", convolutions([4, 4], batch=1), fixed=1, **score)
    add("half", convolutions([4, 4], dtype="float16"), dtype="float16", **score)
    add("double", dense([4, 4], "float64"), dtype="float64", output="denoiser", time="sigma", more={"stoq.extents": "[4,4]"})
    add("single", dense([4, 4], "float32"), output="denoiser", time="sigma", more={"stoq.extents": "[4,4]"})
    add("vjp", dense([4, 4], "float64", True), dtype="float64", output="denoiser", time="sigma", more={"stoq.extents": "[4,4]"})
    add("phi4", scalar_field([4, 4], 0.6), output="denoiser", time="sigma", more={"stoq.action": "phi4 kappa=0.21 lambda=0.022"})
    single = dict(output="denoiser", time="sigma", more={"stoq.extents": "[4,4]"})
    add("vjp_single", dense([4, 4], "float32", True), **single)
    # Old operators: sums had their axes as an attribute.
    add("old", dense([4, 4], "float32"), opset=11, **single)
    # A branch inside, which takes a value of the graph around it.
    add("branch", branch(dense([4, 4], "float32")), **single)
    # A value with a name of stoq's own.
    taken = dense([4, 4], "float32")
    taken[0].rename("t", "stoq.step.state")
    add("taken", taken, **single)
    # Weights beside the file.
    model = onnx.load(folder / "rank2.onnx")
    onnx.save(model, folder / "external.onnx", save_as_external_data=True, location="external.data", size_threshold=100)
    cases["good"]["external"] = cases["good"]["rank2"]


def bad(folder, cases):
    said = SCHEME | {"stoq.output": "sigma*score", "stoq.time": "log sigma"}

    def refuse(name, word, made, metadata=said, **options):
        g, inputs, outputs = made
        g.save(folder / f"{name}.onnx", inputs, outputs, metadata, **options)
        cases["bad"][name] = word

    refuse("silent", "stoq adopt", convolutions([4, 4]), {})
    refuse("silent_double", "stoq adopt", dense([4, 4], "float64"), {})
    refuse("no_time", "time input", convolutions([4, 4]), SCHEME | {"stoq.output": "score"})
    refuse("wrong_extents", "do not fit", convolutions([4, 4]), said | {"stoq.extents": "[8,8]"})
    refuse("wrong_components", "components", convolutions([4, 4]), said | {"stoq.components": "3"})
    refuse("velocity", "velocity", convolutions([4, 4]), said | {"stoq.output": "velocity"})
    refuse("ambiguous", "where its components stand", convolutions([4, 6], channels="none"))
    g, inputs, outputs = convolutions([4, 4])
    g.nodes[-1] = helper.make_node("Wiggle", g.nodes[-1].input, ["answer"])
    refuse("operator", "operator", (g, inputs, outputs))
    g, inputs, outputs = convolutions([4, 4])
    g.nodes[-1] = helper.make_node("ReduceSum", [g.nodes[-1].input[0], g.constant("axis", [3], "int64")], ["answer"], keepdims=0)
    refuse("output_shape", "shape", (g, inputs, [("answer", ["batch", 1, 4])]))
    g, inputs, outputs = convolutions([4, 4])
    g.nodes[-1] = helper.make_node("Reshape", [g.nodes[-1].input[0], g.constant("flip", [1, 1, 4, -1], "int64")], ["answer"])
    refuse("output_moves", "shape", (g, inputs, [("answer", ["a", "b", "c", "d"])]))
    g, inputs, outputs = convolutions([4, 4])
    g.nodes[-1] = helper.make_node("Sqrt", g.nodes[-1].input, ["answer"])
    refuse("nan", "NaN", (g, inputs, outputs))
    g, inputs, outputs = convolutions([4, 4])
    refuse("three_inputs", "inputs", (g, [*inputs, ("extra", ["batch"])], outputs))
    refuse("no_level", "noise level", (g, [inputs[0], ("time", ["batch", 1, 4, 4])], outputs))
    g, shape = Graph(), ["batch", 1, 2, 2, 2, 2]
    level = g.node("Reshape", ["time", g.constant("column", [-1, 1, 1, 1, 1, 1], "int64")], "level")
    g.node("Mul", ["field", level], "answer")
    refuse("rank4", "axes of the lattice", (g, [("field", shape), ("time", ["batch"])], [("answer", shape)]))
    vector = {"field": [0.1] * 32, "time": [0.3, 0.4], "output": [0.5] * 32, "tolerance": 1e-4}
    refuse("test", "stoq.test", convolutions([4, 4]), said | {"stoq.test": json.dumps(vector)})
    refuse("test_length", "stoq.test", convolutions([4, 4]), said | {"stoq.test": json.dumps(vector | {"field": [1.0]})})
    whole = (folder / "rank2.onnx").read_bytes()
    (folder / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    (folder / "text.onnx").write_text("this is no network\n" * 20)
    (folder / "empty.onnx").write_bytes(b"")
    np.savez(folder / "zip.npz", x=1)
    (folder / "zip.npz").rename(folder / "zip.onnx")
    onnx.save(onnx.load(folder / "rank2.onnx"), folder / "gone.onnx", save_as_external_data=True, location="gone.data", size_threshold=100)
    (folder / "gone.data").unlink()
    cases["bad"] |= {"cut": "ONNX", "text": "no ONNX file", "empty": "no ONNX file", "zip": "zip file", "gone": "gone.data"}


def main(folder):
    folder, cases = pathlib.Path(folder), {"good": {}, "bad": {}}
    good(folder, cases)
    bad(folder, cases)
    cases["library"] = str(pathlib.Path(onnxruntime.__file__).parent / "capi")
    (folder / "cases.json").write_text(json.dumps(cases))


if __name__ == "__main__":
    main(sys.argv[1])
