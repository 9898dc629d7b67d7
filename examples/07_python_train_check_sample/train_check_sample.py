# %% [markdown]
# # Train, check, sample
#
# Two-dimensional lattice phi^4 theory from Python, cell by cell: a host with a chain of its own trains a network on what
# it samples, looks whether that is worth its time, and then lets it propose exact updates of the same chain. Editors that
# know `# %%` cells run this file as a notebook; `python train_check_sample.py` runs it from top to bottom.
#
# On 4 x 4 sites every average is known from a sum over the whole spectrum, so that the last cell has no statistical
# reference to trust. Exit status 0: all |z| <= 4; 1: not.

# %%
import argparse
import math

import numpy as np
import stoq

EXTENT, KAPPA, LAMBDA = 4, 0.27, 0.022
EXACT = {"<phi^2>": 1.7677579200, "<|M|>": 1.0253680521, "<M^2>": 1.3153509105}  # on this lattice, at these couplings

arguments = argparse.ArgumentParser(description="Train, check and sample phi^4 on 4 x 4 sites.")
arguments.add_argument("--steps", type=int, default=400, help="of the training")
arguments.add_argument("--updates", type=int, default=2000, help="that are measured: a trajectory and a proposal each")
arguments.add_argument("--save", metavar="MODEL.onnx", help="writes the trained model to a file")
settings, _ = arguments.parse_known_args()  # a notebook has arguments of its own


# %% [markdown]
# ## The host
# Its field is a NumPy array, its action and force are functions of one. Nothing of this belongs to stoq.


# %%
def neighbours(phi):
    """Sum over the four nearest neighbours of every site."""
    return sum(np.roll(phi, step, axis) for axis in (0, 1) for step in (1, -1))


def action(phi):
    """S = sum_x [ -2 kappa sum_mu phi(x) phi(x+mu) + (1 - 2 lambda) phi(x)^2 + lambda phi(x)^4 ]."""
    return np.sum((1 - 2 * LAMBDA) * phi**2 + LAMBDA * phi**4 - KAPPA * phi * neighbours(phi))


def force(phi):
    """-dS/dphi."""
    return 2 * KAPPA * neighbours(phi) - 2 * (1 - 2 * LAMBDA) * phi - 4 * LAMBDA * phi**3


def observables(phi):
    magnetisation = phi.mean()
    return np.mean(phi**2), abs(magnetisation), magnetisation**2


phi = np.zeros((EXTENT, EXTENT))

# %% [markdown]
# ## A chain, and a training on it
# stoq's HMC moves the field by the host's own action. Every second configuration is pushed to the trainer. The theory is
# a built-in one, so that the trainer may use its force too; without `action=` it learns from the configurations alone.

# %%
layout = stoq.Layout.of(phi)
host_action = stoq.Action.host(layout, action, force)
hmc = stoq.Chain(layout, action=host_action, kernel=stoq.Kernel.HMC, seed=1, integrator_steps=4)
trainer = stoq.Trainer(
    layout,
    action=stoq.Action.phi4(layout, KAPPA, LAMBDA),
    channels=(8, 12),
    embedding=8,
    batch=32,
    steps=settings.steps,
    seed=1,
)

for _ in range(200):
    hmc.step(phi)  # thermalise first: what is pushed is learned
for _ in range(1000):
    hmc.step(phi)
    hmc.step(phi)
    trainer.push(phi)
report = trainer.fit(settings.steps)
model = trainer.finish()
print(f"trained {report.step} steps on {trainer.configurations} configurations")

# %% [markdown]
# ## Is it any good?
# The generator draws samples of the network's law q, which is not exp(-S)/Z, and the weights w = exp(-S)/q of the path
# that led to each say how far it is: the effective number of samples, and averages with and without weights. This costs
# nothing but time; the chain below is exact whatever comes out here.


# %%
def weighted(values, weights):
    """Mean of `values` (n, k) and its error, the weights being independent."""
    weights = weights / weights.sum()
    mean = weights @ values
    return mean, np.sqrt(np.sum((weights[:, None] * (values - mean)) ** 2, axis=0))


samples, log_w = stoq.Generator(model, levels=40, seed=2).generate(0, 2000, log_weights=True)
log_w -= [action(sample) for sample in samples]
weights = np.exp(log_w - log_w.max())
effective = weights.sum() ** 2 / np.sum(weights**2) / len(weights)
print(f"effective number of samples: {effective:.2f} of those drawn")

found = np.array([observables(sample) for sample in samples])
plain, corrected = weighted(found, np.ones(len(found))), weighted(found, weights)
print("            the network's own law     with weights              exact")
for k, (name, exact) in enumerate(EXACT.items()):
    columns = [f"{mean[k]:8.4f} +- {error[k]:.4f} z {(mean[k] - exact) / error[k]:+5.1f}" for mean, error in (plain, corrected)]
    print(f"{name:8} {columns[0]}  {columns[1]}  {exact:.4f}")

# %% [markdown]
# ## Exact updates of the chain
# The path kernel proposes a whole new field and decides by the host's action: every average is exact. HMC goes on
# beside it; together they are ergodic even where the network is blind.

# %%
path = stoq.Chain(layout, action=host_action, model=model, levels=20, seed=1, chain=1)
series = np.empty((settings.updates, len(EXACT)))
for update in range(settings.updates):
    hmc.step(phi)
    path.step(phi)
    series[update] = observables(phi)


# %%
def errors(series, bins=50):
    """Errors of means from bins far longer than the autocorrelation time."""
    length = len(series) // bins
    means = series[: bins * length].reshape(bins, length, -1).mean(axis=1)
    return means.std(axis=0, ddof=1) / math.sqrt(bins)


counted = path.statistics
print(f"{settings.updates} updates, path acceptance {counted.accepted / counted.steps:.3f}")
consistent = True
for (name, exact), mean, error in zip(EXACT.items(), series.mean(axis=0), errors(series)):
    z = (mean - exact) / error
    consistent &= bool(abs(z) <= 4)
    print(f"{name:8} {mean:8.4f} +- {error:.4f}   exact {exact:.4f}   z {z:+.2f}")

# %% [markdown]
# ## Keep it
# `model.save` writes an ONNX file with everything that is needed to use it: here, in C, or on the command line, where
# `stoq check MODEL.onnx` writes the whole report card.

# %%
if settings.save:
    model.save(settings.save)

if __name__ == "__main__" and not consistent:
    raise SystemExit(1)
