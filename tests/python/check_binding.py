"""The Python binding: what it computes is what the library computes, and nothing is lost on the way.

Run by tests/python_binding.rs with the package on the path and STOQ_LIBRARY set; argv[1] is a trained model file.
Statistical checks are at 4 sigma, 6 of them with fixed seeds: a false alarm in one of 2600 seeds.
"""

import copy
import gc
import math
import os
import pickle
import subprocess
import sys
import threading

import checks
import numpy as np
import stoq
from stoq import Action, Chain, Kernel, Layout, Model, Status
from checks import check, neighbours, raises

SHAPE, KAPPA, LAMBDA = (4, 4), 0.2, 0.022


class Phi4:
    """The host's action, with a switch for what goes wrong."""

    def __init__(self, lambda_=0.0):
        self.lambda_, self.raises, self.where = lambda_, None, "action"

    def fail(self, where):
        if self.raises is not None and where == self.where:
            raise self.raises

    def potential(self, phi):
        return (1 - 2 * self.lambda_) * phi**2 + self.lambda_ * phi**4

    def action(self, phi):
        self.fail("action")
        return np.sum(self.potential(phi) - KAPPA * phi * neighbours(phi))

    def force(self, phi):
        self.fail("force")
        return 2 * KAPPA * neighbours(phi) - 2 * (1 - 2 * self.lambda_) * phi - 4 * self.lambda_ * phi**3

    def local_change(self, phi, index, value):
        self.fail("local_change")
        near = sum(
            phi[tuple((i + step * (axis == a)) % n for a, (i, n) in enumerate(zip(index, phi.shape)))]
            for axis in range(phi.ndim)
            for step in (1, -1)
        )
        return self.potential(value) - self.potential(phi[index]) - 2 * KAPPA * (value - phi[index]) * near

    def on(self, layout):
        return Action.host(layout, self.action, self.force, self.local_change)


def expect(name, values, exact, bins=50):
    means = np.reshape(values, (bins, -1)).mean(axis=1)
    error = means.std(ddof=1) / math.sqrt(bins)
    z = (means.mean() - exact) / error
    if "STOQ_SHOW" in os.environ:
        print(f"{name}: {means.mean():.5f} +- {error:.5f}, exact {exact:.5f}, z {z:.2f}", file=sys.stderr)
    check(abs(z) < 4 and error < 0.06 * abs(exact), f"{name}: {means.mean()} +- {error}, exact {exact}")


def moments_are_exact():
    """HMC and the path kernel in turn on the free field, with a model of another coupling."""
    phi = np.zeros(SHAPE)
    layout = Layout.of(phi)
    action = Phi4().on(layout)
    hmc = Chain(phi, action=action, kernel=Kernel.HMC, seed=5, integrator_steps=4, warm_up=1)
    path = Chain(layout, action=action, model=Model.free_field(layout, 0.17), levels=6, chain=1, seed=5)
    for _ in range(50):
        hmc.step(phi)
    check(not hmc.is_frozen and path.is_frozen)
    hmc.freeze()
    check(hmc.is_frozen and hmc.move_size > 0 and hmc.statistics.steps == 0)
    squares, magnetisation, accepted = [], [], 0
    for _ in range(2000):
        hmc.step(phi)
        accepted += path.step(phi)
        squares.append(np.mean(phi**2))
        magnetisation.append(np.mean(phi) ** 2)
    # C(p) = 1 / (2 - 4 kappa sum cos p)
    cosines = np.cos(2 * np.pi * np.arange(4) / 4)
    covariance = 1 / (2 - 4 * KAPPA * (cosines[:, None] + cosines))
    expect("<phi^2>", squares, covariance.mean())
    expect("<M^2>", magnetisation, covariance[0, 0] / 16)
    found = path.statistics
    check(found.steps == 2000 and found.accepted == accepted and 200 < accepted < 2000, found)


def host_agrees_with_built_in():
    layout, phi = Layout(SHAPE), np.sin(1.0 + 3 * np.arange(16.0)).reshape(SHAPE)
    host, built_in = Phi4(LAMBDA).on(layout), Action.phi4(layout, KAPPA, LAMBDA)
    check(abs(host.evaluate(phi) - built_in.evaluate(phi)) < 1e-12)
    check(np.allclose(host.force(phi), built_in.force(phi), rtol=0, atol=1e-12))
    out = np.zeros(SHAPE)
    check(built_in.force(phi, out) is out and np.array_equal(out, built_in.force(phi)))
    bad = Action.host(layout, lambda phi: 0.0, lambda phi: np.zeros(4))
    raises(ValueError, "(4,)", bad.force, phi)


def layouts():
    """Arrays of one shape and many strides."""
    gap = np.full((6, 9), 7.0)
    yield np.zeros(SHAPE), None
    yield np.zeros(SHAPE, order="F"), None
    yield gap[1:5, 0:8:2], gap
    back = np.full((4, 4), 7.0)
    yield back[::-1, ::-1].T, None
    yield np.lib.stride_tricks.as_strided(np.zeros(32), SHAPE, (16, 56)), None


def layouts_agree():
    """The same chain in every layout, to the last bit; what lies between the values stays."""
    for kernel in (Kernel.PATH, Kernel.RENOISE, Kernel.HMC, Kernel.METROPOLIS):
        histories = []
        for phi, memory in layouts():
            phi[...] = 0.1 * np.arange(16.0).reshape(SHAPE) - 0.7
            layout = Layout.of(phi)
            action = Phi4(LAMBDA).on(layout)
            chain = Chain(phi, action=action, model=Model.free_field(layout, 0.17), kernel=kernel, levels=6)
            history = []
            for _ in range(12):
                chain.step(phi)
                history.append(phi.tobytes())
            histories.append(history)
            if memory is not None:
                inside = np.zeros(memory.shape, bool)
                inside[1:5, 0:8:2] = True
                check(np.all(memory[~inside] == 7.0))
        check(len(set(histories[0])) > 3)
        check(all(history == histories[0] for history in histories), kernel)
    shared = np.lib.stride_tricks.as_strided(np.zeros(16), SHAPE, (8, 16))
    raises(stoq.Error, "strides", Action.phi4, Layout.of(shared), KAPPA, LAMBDA, status=Status.INVALID_ARGUMENT)
    raises(ValueError, "share memory", Layout.of, np.broadcast_to(1.0, SHAPE))
    row = np.zeros((4, 4))[1:2, ::2]
    row[...] = 1.0
    check(abs(Action.toy(Layout.of(row), 1.0, 2.4).evaluate(row) - 1.2) < 1e-12)
    # Two components, interleaved in memory.
    pairs = np.zeros((4, 2))
    layout = Layout.of(np.moveaxis(pairs, -1, 0), components=True)
    check(layout.extents == (4,) and layout.shape == (2, 4) and layout.struct.component_stride == 1)
    indices = []
    action = Action.host(layout, lambda f: 0.5 * np.sum(f**2), local_change=lambda f, i, v: indices.append(i) or 0.0)
    Chain(layout, action=action, kernel=Kernel.METROPOLIS).step(np.moveaxis(pairs, -1, 0))
    check(sorted(indices) == sorted(np.ndindex(2, 4)) and np.all(pairs != 0))
    check(Layout(SHAPE, order="F").empty().flags.f_contiguous and Layout((3, 5), 2).values == 30)


def tables_of_sites():
    """A field by a table of its sites: the same chain, host action, and local changes."""
    plain, table = Layout(SHAPE), Layout.even_odd(SHAPE)
    model, phi = Model.free_field(plain, 0.15), np.arange(16.0).reshape(SHAPE) % 5 / 8
    other, where = table.empty(), np.array([[table.offset((y, x)) for x in range(4)] for y in range(4)])
    check(other.shape == (16,) and where[0, 2] == 1 and where[0, 1] == 8 and where[1, 0] == 10 and where[3, 3] == 7)
    table.scatter(phi, other)
    check(np.array_equal(other[where], phi) and np.array_equal(table.gather(other), phi))
    host = Phi4(LAMBDA)
    change = lambda field, index, value: host.local_change(
        field[where], tuple(np.argwhere(where == index[0])[0]), value
    )  # fmt: skip
    by_table = Action.host(table, lambda field: host.action(field[where]), local_change=change)
    for kernel in (Kernel.PATH, Kernel.METROPOLIS):
        chain = Chain(plain, host.on(plain), model, kernel=kernel, levels=6)
        twin = Chain(table, by_table, model, kernel=kernel, levels=6)
        for _ in range(8):
            check(chain.step(phi) == twin.step(other) and np.array_equal(other[where], phi))
    links = Layout.even_odd((2, 2), 3, together=True)
    check(links.offset((0, 1), 2) == 8 and links.empty().shape == (12,) and links.values == 12)
    values = np.arange(12.0).reshape(3, 2, 2)
    field = links.empty()
    links.scatter(values, field)
    check(field[8] == values[2, 0, 1] and np.array_equal(links.gather(field), values))
    raises(stoq.Error, "offsets", Layout.by_sites, (2, 2), [0, 1, 2], status=Status.SHAPE_MISMATCH)
    raises(ValueError, "-1", Layout.by_sites, (2,), [0, -1])
    raises(stoq.Error, "site_offsets", Action.phi4, Layout.by_sites((2,), [3, 3]), 0.1, 0.1)
    raises(stoq.Error, "shape", table.gather, np.zeros(SHAPE), status=Status.SHAPE_MISMATCH)


def exceptions_come_back_as_themselves():
    class Own(Exception):
        pass

    for kernel, where in [("PATH", "action"), ("HMC", "action"), ("HMC", "force"), ("METROPOLIS", "local_change")]:
        host, plain, layout = Phi4(LAMBDA), Phi4(LAMBDA), Layout(SHAPE)
        host.where = where
        made = dict(model=Model.free_field(layout, 0.17), kernel=Kernel[kernel], levels=6)
        chain, twin = Chain(layout, action=host.on(layout), **made), Chain(layout, action=plain.on(layout), **made)
        phi, reference = np.full(SHAPE, 0.1), np.full(SHAPE, 0.1)
        for update in range(8):
            if update % 2:
                before = phi.copy()
                for host.raises in (Own("mine"), KeyboardInterrupt()):
                    try:
                        chain.step(phi)
                        check(False, "nothing was raised")
                    except (Own, KeyboardInterrupt) as error:
                        check(error is host.raises and np.array_equal(phi, before))
                host.raises = None
            check(chain.step(phi) == twin.step(reference) and np.array_equal(phi, reference))
        steps = chain.statistics.steps
        host.raises = stoq.Reject()
        if where == "action" and kernel == "PATH":
            raises(stoq.Error, "", chain.step, phi, status=Status.INVALID_ARGUMENT)  # the current field, too
            check(chain.statistics.steps == steps)
    # One call inside the callback of another.
    point, seen = Layout((1,)), []
    inner = Action.host(point, lambda phi: 1 / 0)

    def outer(phi):
        try:
            inner.evaluate(phi)
        except ZeroDivisionError as error:
            seen.append(error)
        return 0.5

    check(Action.host(point, outer).evaluate(np.ones(1)) == 0.5 and len(seen) == 1)
    def reject(phi):
        raise stoq.Reject

    check(Action.host(point, reject).evaluate(np.ones(1)) == math.inf)
    results = []
    threads = [threading.Thread(target=lambda: results.append(Phi4().on(Layout(SHAPE)).evaluate(np.ones(SHAPE))))
               for _ in range(4)]  # fmt: skip
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    check(len(set(results)) == 1 and len(results) == 4)


def chains_continue():
    layout = Layout(SHAPE)
    action, model = Action.phi4(layout, KAPPA, LAMBDA), Model.free_field(layout, 0.15)
    chain, halves = (Chain(layout, a, model, kernel=Kernel.RENOISE, seed=9) for a in (action, None))
    phi, other, proposal = np.full(SHAPE, 0.3), np.full(SHAPE, 0.3), np.zeros(SHAPE)
    outcomes = []
    for update in range(30):
        outcomes.append(chain.step(phi))
        check(math.isfinite(halves.propose(other, proposal)))
        accepted = halves.resolve(action.evaluate(proposal) - action.evaluate(other), other)
        check(accepted == outcomes[-1] and np.array_equal(phi, other))
        if update == 15:
            state = chain.save()
            chain = Chain(layout, action, model, kernel=Kernel.RENOISE, seed=9)
            chain.load(state)
            check(chain.save() == state)
    check(True in outcomes and False in outcomes)
    damaged = bytearray(chain.save())
    damaged[len(damaged) // 2] ^= 1
    raises(stoq.Error, "", chain.load, damaged, status=Status.CHAIN_STATE)
    raises(stoq.Error, "empty", chain.load, b"", status=Status.CHAIN_STATE)
    raises(stoq.Error, "", halves.resolve, 0.0, other, status=Status.WRONG_ORDER)


def errors_are_clear(path):
    layout, phi = Layout(SHAPE), np.zeros(SHAPE)
    action = Action.phi4(layout, KAPPA, LAMBDA)
    chain = Chain(layout, action, kernel=Kernel.HMC)
    raises(stoq.Error, "(4, 5)", chain.step, np.zeros((4, 5)), status=Status.SHAPE_MISMATCH)
    raises(stoq.Error, "strides", chain.step, np.zeros(SHAPE, order="F"), status=Status.SHAPE_MISMATCH)
    raises(TypeError, "float32", chain.step, np.zeros(SHAPE, np.float32))
    raises(TypeError, "list", chain.step, [[0.0] * 4] * 4)
    raises(stoq.Error, "", chain.step, np.full(SHAPE, np.nan), status=Status.NOT_FINITE)
    phi.flags.writeable = False
    raises(ValueError, "read-only", chain.step, phi)
    raises(stoq.Error, "nowhere", Model.load, "nowhere.onnx", status=Status.IO)
    raises(stoq.Error, "jitter", Chain, layout, action, jitter=2.0, kernel=Kernel.HMC, status=None)
    raises(TypeError, "no option 'jiter'", Chain, layout, action, jiter=0.1)
    raises(ValueError, "32 bits", Chain, layout, action, chain=2**32)
    raises(TypeError, "Action.phi4", Action)
    raises(TypeError, "copied", copy.copy, chain)
    raises(TypeError, "copied", pickle.dumps, action)
    error = stoq.Error(Status.IO, "text")
    check(pickle.loads(pickle.dumps(error)).status is Status.IO)
    model = Model.load(path)
    check(model.layout.extents == (16, 16) and model.metadata("action.name") == "phi4")
    with open(path, "rb") as file:
        check(Model.from_memory(file.read()).metadata() == model.metadata())
    check(np.all(np.isfinite(model.score(np.ones((2, 16, 16)), [0.1, 0.5]))))
    chain.close()
    chain.close()
    raises(ValueError, "closed", chain.step, np.zeros(SHAPE))


def callables_live_as_long_as_needed():
    layout, phi = Layout(SHAPE), np.zeros(SHAPE)
    action = Phi4(LAMBDA).on(layout)
    chain = Chain(layout, action, kernel=Kernel.HMC)
    action.close()
    del action
    gc.collect()
    check(any([chain.step(phi) for _ in range(10)]))


def approximate_tools():
    layout = Layout(SHAPE)
    model = Model.free_field(layout, KAPPA)
    generator = stoq.Generator(model)
    fields, weights = generator.generate(0, 600, log_weights=True)
    check(fields.shape == (600, 4, 4) and np.array_equal(generator.generate(599, 1)[0], fields[599]))
    free = Action.phi4(layout, KAPPA, 0.0)
    log_w = weights[:20] - [free.evaluate(field) for field in fields[:20]]
    check(np.all(np.isfinite(log_w)))
    timed = stoq.Generator(model, times=[0.1, 0.4, 1.0]).generate(0, 3)
    check(timed.shape == (3, 4, 4) and not np.array_equal(timed, fields[:3]))
    parts = stoq.Cumulants(), stoq.Cumulants()
    for number, field in enumerate(fields):
        parts[number % 2].push(field)
    parts[0].merge(parts[1])
    found = parts[0].estimate(stoq.Symmetry.EVEN)
    check(abs(found.values[1] - 0.6587301587) < 4 * found.errors[1] and found.errors[1] < 0.03, found)
    check(abs(found.values[3]) < 4 * found.errors[3] and found.values[0] == 0)
    density, _ = model.likelihood(fields[:3])
    constant = density + [free.evaluate(field) for field in fields[:3]]
    check(np.ptp(constant) < 1e-5, constant)

    process = stoq.ComplexLangevin(1 + 1j, 0.0, 64, seed=3, step=0.02)
    squares = np.array([np.mean(process.next() ** 2) for _ in range(416)])[16:]
    expect("Re <z^2>", squares.real, 0.5)
    expect("Im <z^2>", squares.imag, -0.5)

    grid = stoq.FokkerPlanck(cells=400, steps=400)
    start, points = grid.points(0.0), grid.points(0.6)
    forward = grid.forward(np.exp(-0.5 * start**2 / 0.7), 0.0, 0.6)
    variance = 0.7 + math.expm1(1.2 * math.log(25)) / (2 * math.log(25))
    exact = np.exp(-0.5 * points**2 / variance) / math.sqrt(2 * math.pi * variance)
    check(np.max(np.abs(forward - exact)) * math.sqrt(variance) < 1e-3)
    back = grid.backward(Model.gaussian(Layout((1,)), [0.7]), forward, 0.6, 0.0)
    check(np.max(np.abs(back - np.exp(-0.5 * start**2 / 0.7) / math.sqrt(1.4 * math.pi))) < 4e-3)


def gauge_theory():
    """Link angles in an array [mu, x, y] and in a view of [x, y, mu]: the same observables, and charge shifts."""
    pairs = 9 * np.sin(1.0 + 3 * np.arange(40.0)).reshape(4, 5, 2)
    view, links = np.moveaxis(pairs, -1, 0), np.moveaxis(pairs, -1, 0).copy()
    angle = links[0] + np.roll(links[1], -1, 0) - np.roll(links[0], -1, 1) - links[1]
    polyakov = [np.mean(np.exp(1j * links[axis].sum(axis=axis))) for axis in (0, 1)]
    exact = stoq.u1.Exact(Layout.of(links, components=True), 1.5)
    for field in (links, view):
        layout = Layout.of(field, components=True)
        action = Action.u1(layout, 1.5)
        check(abs(action.evaluate(field) + 1.5 * np.sum(np.cos(angle))) < 1e-12)
        check(abs(stoq.u1.wilson_loop(layout, field, 1, 1) - np.mean(np.cos(angle))) < 1e-12)
        flux = np.sum(angle / (2 * np.pi) - np.round(angle / (2 * np.pi)))
        check(stoq.u1.charge(layout, field) == round(flux) and abs(flux - round(flux)) < 1e-12)
        for axis in (0, 1):
            check(abs(stoq.u1.polyakov_loop(layout, field, axis) - polyakov[axis]) < 1e-12)
        shift = Chain(layout, action=action, kernel=Kernel.CHARGE_SHIFT)
        check(0 < sum(shift.step(field) for _ in range(100)) < 100)
    check(np.array_equal(links, view))
    # P(Q) has the variance <Q^2>, and a loop around the torus is two Polyakov loops.
    check(abs(sum(q * q * exact.charge_probability(q) for q in range(-10, 11)) - exact.charge_squared()) < 1e-12)
    loops = [1.0] + [exact.wilson_loop(4, width) for width in range(1, 5)]
    check(abs(np.mean(loops) - exact.polyakov_square(0)) < 1e-12)
    raises(stoq.Error, "axis", stoq.u1.polyakov_loop, Layout.of(links, components=True), links, 2)


def reports_and_statistics():
    """White noise in one report and in two that are merged; an AR(1) series with tau_int = 5/2. At 4 sigma."""
    rng = np.random.default_rng(1)
    fields = rng.normal(size=(2000, 4, 4))
    layout, own = Layout((4, 4)), fields[:, :1, 0]
    made = [stoq.Report(layout, ["first"], symmetry=stoq.Symmetry.EVEN, threads=2) for _ in range(3)]
    for part in (fields[:1000], fields[1000:]):
        made[0].push_many(part, part[:, :1, 0])
        made[0].end_chain()
    for number, field in enumerate(fields):
        made[1 + number // 1000].push(field, own[number])
    made[1].merge(made[2])
    made[0].set_exact("chi2", 1.0)
    chi2, first = made[0]["chi2"], made[0]["first"]
    check(abs(chi2.z) < 4 and math.isnan(first.z) and abs(first.value) < 4 * first.error, chi2)
    check(abs(chi2.error - made[1]["chi2"].error) < 1e-10 and abs(chi2.tau_int - 0.5) < 0.1)
    check(made[0].json()["chains"] == 2 and str(made[0]).startswith("2000 configurations in 2 chains"))
    raises(stoq.Error, "name", made[0].__getitem__, "nothing")
    raises(stoq.Error, "own", made[0].push, fields[0])
    raises(stoq.Error, "names", stoq.Report, layout, ["chi2"])

    a, chains = 2 / 3, []
    for _ in range(2):
        x = rng.normal(size=3000)
        for i in range(1, len(x)):
            x[i] = a * x[i - 1] + math.sqrt(1 - a * a) * x[i]
        chains.append(x)
    mean = stoq.estimate(chains)
    check(abs(mean.value) < 4 * mean.error and abs(mean.tau_int - 2.5) < 4 * mean.tau_int_error, mean)
    exact = math.sqrt(2 / 6000 * (1 + a * a) / (1 - a * a))
    pairs = [np.stack([x, x * x]) for x in chains]
    for method in stoq.StatisticsMethod:
        found = stoq.estimate(pairs, lambda m: m[1] - m[0] ** 2, method=method)
        check(abs(found.value - 1) < 4 * exact and abs(found.error / exact - 1) < 0.25, found)
    raises(ZeroDivisionError, "", stoq.estimate, pairs, lambda m: 1 / 0)
    cells = stoq.histogram(chains, [-1, 0, 1])
    check(abs(cells.probabilities[1] - 0.3413) < 4 * cells.errors[1] and cells.effective_values < 6000, cells)
    wider = 1.3 * np.concatenate(chains)
    check(stoq.two_sample(*chains).p_value > 3e-4 and stoq.two_sample(chains, wider).p_value < 1e-2)
    check(stoq.two_sample(chains, wider, edges=np.arange(-2.0, 3.0)).p_value < 1e-2)
    raises(stoq.Error, "observables", stoq.histogram, pairs, [0, 1])


def a_missing_library_is_said():
    for given, word in [("/nowhere/libstoq.so", "STOQ_LIBRARY = /nowhere"), (sys.executable, "STOQ_LIBRARY")]:
        run = subprocess.run([sys.executable, "-c", "import stoq"], env={**os.environ, "STOQ_LIBRARY": given},
                             capture_output=True, text=True)  # fmt: skip
        check(run.returncode != 0 and "LibraryError" in run.stderr and word in run.stderr, run.stderr)


def main():
    moments_are_exact()
    host_agrees_with_built_in()
    layouts_agree()
    tables_of_sites()
    exceptions_come_back_as_themselves()
    chains_continue()
    errors_are_clear(sys.argv[1])
    callables_live_as_long_as_needed()
    approximate_tools()
    gauge_theory()
    reports_and_statistics()
    a_missing_library_is_said()
    print(f"binding: {checks.passed} checks passed")


main()
