"""Training from Python while a chain runs.

Run by tests/python_binding.rs with the package on the path and STOQ_LIBRARY set; argv[1] is a trained model file.
One statistical check at 4 sigma with a fixed seed: a false alarm in one of 16000 seeds.
"""

import math
import os
import sys
import tempfile

import checks
import numpy as np
from stoq import Action, Chain, Error, Kernel, Layout, Model, Size, Status, Trainer
from checks import check, neighbours, raises

SHAPE, KAPPA = (4, 4), 0.2
SMALL = dict(channels=(4, 6), embedding=8, batch=16, steps=50, seed=3)


def host_action(layout):
    """The free field, as the host evaluates it."""
    return Action.host(layout, lambda phi: np.sum(phi**2 - KAPPA * phi * neighbours(phi)),
                       lambda phi: 2 * KAPPA * neighbours(phi) - 2 * phi)  # fmt: skip


class Host:
    """A chain of the host: HMC by its own action."""

    def __init__(self, phi):
        self.phi, self.layout = phi, Layout.of(phi)
        self.action = host_action(self.layout)
        self.hmc = Chain(phi, action=self.action, kernel=Kernel.HMC, seed=5, integrator_steps=4)
        self.run(30)

    def run(self, trajectories, trainer=None):
        for _ in range(trajectories):
            for _ in range(4):
                self.hmc.step(self.phi)
            if trainer is not None:
                trainer.push(self.phi)


def trains_while_running(phi):
    host = Host(phi)
    trainer = Trainer(phi, action=Action.phi4(host.layout, KAPPA, 0.0), **SMALL)
    host.run(100, trainer)
    report = trainer.fit(25)
    check(report.step == 25 and report.steps == 50 and not report.finished and report.loss > 0)
    refused = dict(action=host.action, model=trainer.model())
    raises(Error, "still being trained", Chain, host.layout, status=Status.INVALID_ARGUMENT, **refused)
    host.run(100, trainer)
    report = trainer.fit(25)
    check(report.step == 50 and report.finished and trainer.configurations == 200)
    model = trainer.finish()
    check(model.metadata("training.configurations") == "160" and model.layout.shape == SHAPE)
    path = Chain(host.layout, action=host.action, model=model, levels=6, chain=1)
    squares = []
    for _ in range(1500):
        host.hmc.step(phi)
        path.step(phi)
        squares.append(np.mean(phi**2))
    check(path.statistics.accepted > 750, path.statistics)
    means = np.reshape(squares, (50, -1)).mean(axis=1)
    cosines = np.cos(2 * np.pi * np.arange(4) / 4)
    exact = (1 / (2 - 4 * KAPPA * (cosines[:, None] + cosines))).mean()
    z = (means.mean() - exact) / (means.std(ddof=1) / math.sqrt(50))
    check(abs(z) < 4, f"<phi^2> = {means.mean()}, exact {exact}, z {z}")
    return trainer


def layouts_agree():
    """The same fields in other memory, and pushed copies: the same training to the last bit."""
    rng, plain, strided = np.random.default_rng(1), np.zeros(SHAPE), np.full((4, 12), np.nan)[:, ::-3].T
    trainers = Trainer(plain, **SMALL), Trainer(strided, **SMALL)
    for _ in range(50):
        plain[...] = strided[...] = rng.normal(size=SHAPE)
        trainers[0].push(plain)
        trainers[1].push(strided)
        plain[...] = strided[...] = np.nan
    for trainer in trainers:
        trainer.fit(3)
    check(trainers[0].checkpoint() == trainers[1].checkpoint())


def progress_stops_and_raises():
    phi = np.zeros(SHAPE)
    host, trainer = Host(phi), Trainer(phi, **SMALL)
    host.run(40, trainer)
    seen = []
    report = trainer.fit(20, lambda report: seen.append(report) or report.step < 6)
    check(report.step == 6 and [one.step for one in seen] == [1, 2, 3, 4, 5, 6] and report.loss == seen[-1].loss)

    def fails(report):
        raises(Error, "at work", trainer.push, phi, status=Status.WRONG_ORDER)
        if report.step == 8:
            raise KeyError("mine")

    raises(KeyError, "mine", trainer.fit, 20, fails)
    check(trainer.fit(0).step == 8)
    raises(ValueError, "steps", trainer.fit, -1)


def refuses_and_continues():
    phi = np.zeros(SHAPE)
    host, trainer, other = Host(phi), Trainer(phi, **SMALL), Trainer(phi, threads=2, **SMALL)
    raises(Error, "fit first", trainer.finish, status=Status.WRONG_ORDER)
    host.run(40, trainer)
    before = trainer.checkpoint()
    broken = phi.copy()
    broken[1, 2] = np.nan
    raises(Error, "site [1, 2]", trainer.push, broken, status=Status.NOT_FINITE)
    raises(Error, "shape", trainer.push, np.zeros((4, 5)), status=Status.SHAPE_MISMATCH)
    check(trainer.checkpoint() == before and trainer.configurations == 40)
    other.restore(before)
    trainer.fit(3), other.fit(3)
    check(trainer.checkpoint() == other.checkpoint() != before)
    raises(Error, "empty", trainer.restore, b"", status=Status.INVALID_ARGUMENT)
    raises(Error, "checksum", trainer.restore, before[:-1] + b"?", status=Status.INVALID_ARGUMENT)
    raises(Error, "built-in", Trainer, phi, action=host.action, **SMALL)
    raises(Error, "extents", Trainer, phi, size=Size.TINY)
    raises(TypeError, "colour", Trainer, phi, colour=1)
    raises(ValueError, "channels", Trainer, phi, channels=(4, -1))


def models_move(path, trainer):
    model = Model.load(path)
    check(model.at((8, 8)).layout.shape == (8, 8) and model.at().layout.shape == model.layout.shape)
    raises(Error, "kappa", model.at, (8, 8), kappa=0.28, status=Status.INVALID_ARGUMENT)
    raises(ValueError, "extents", model.at, (8, -8))
    with tempfile.TemporaryDirectory() as folder:
        names = os.path.join(folder, "one.onnx"), os.path.join(folder, "two.onnx")
        trainer.save(names[0])
        trainer.finish().save(names[1])
        with open(names[0], "rb") as one, open(names[1], "rb") as two:
            check(one.read() == two.read())
        check(Model.load(names[0]).metadata("training.steps") == "50")


def main():
    trainer = trains_while_running(np.zeros(SHAPE))
    trains_while_running(np.zeros((4, 8))[:, ::-2].T)
    layouts_agree()
    progress_stops_and_raises()
    refuses_and_continues()
    models_move(sys.argv[1], trainer)
    print(f"trainer: {checks.passed} checks passed")


main()
