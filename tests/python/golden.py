"""The golden case in Python: see tests/golden.rs. argv[1] is the committed model."""

import struct
import sys

import numpy as np
from stoq import Action, Chain, Kernel, Layout, Model


def bits(value):
    return struct.pack(">d", value).hex()


phi = ((7 * np.arange(256) % 32 - 16) / 16.0).reshape(16, 16)
layout = Layout.of(phi)
action = Action.phi4(layout, 0.27, 0.022)
hmc = Chain(layout, action=action, kernel=Kernel.HMC, seed=2026)
path = Chain(layout, action=action, model=Model.load(sys.argv[1]), seed=2026, chain=1, levels=10)
outcomes = [str(int(chain.step(phi))) for _ in range(20) for chain in (hmc, path)]
print("outcomes", "".join(outcomes))
print("hmc", *hmc.statistics)
print("path", *path.statistics)
print("action", bits(action.evaluate(phi)))
for value in phi.flat:
    print("field", bits(value))
