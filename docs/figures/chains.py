"""Draws docs/figures/chains.svg: histories of M from chains that it runs, and the acceptance that `stoq check` found."""

import argparse
import json
import pathlib
import subprocess
import tempfile

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "stoq"
import matplotlib.pyplot as plt
import numpy as np

SYSTEM = ["phi4", "--kappa", "0.27", "--lambda", "0.022", "--extent", "16,16"]
UPDATES = 400


def history(stoq, model, kernel, folder):
    """M after each update of a chain."""
    series = folder / f"{kernel}.npy"
    command = [stoq, "chain", *SYSTEM, "--kernel", kernel, "--model", model, "--updates", str(UPDATES)]
    subprocess.run([*command, "--threads", "2", "--quiet", "--series", series], check=True)
    return np.load(series)


def acceptances(path):
    """Exact acceptance of the path kernel against score evaluations, from the result of `stoq check`."""
    rows = json.loads(pathlib.Path(path).read_text())["path"]
    return [(row["score_evaluations_per_update"], row["acceptance"]["value"], row["acceptance"]["error"]) for row in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--stoq", "--model", "--check", "--output"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        plain = history(options.stoq, options.model, "hmc", folder)
        mixed = history(options.stoq, options.model, "hmc+path", folder)
    points = acceptances(options.check)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=[2, 1], layout="constrained")
    left.plot(plain, color="#999999", label="HMC, trajectory length 1")
    left.plot(mixed, color="#c0392b", linewidth=0.8, label="HMC + one stoq update (path, 40 score evaluations)")
    left.axhline(0, color="black", linewidth=0.5)
    left.set(xlabel="update", ylabel="magnetisation $M$", xlim=(0, UPDATES), ylim=(-1.5, 2.3), title=r"$\phi^4$, $16\times16$, $\kappa=0.27$")
    left.legend(loc="upper right", fontsize=8)
    levels, values, errors = zip(*points)
    right.errorbar(levels, values, errors, fmt="o-", color="#c0392b", markersize=4)
    right.set(xscale="log", ylim=(0, 1), xlabel="score evaluations per proposal", ylabel="exact acceptance of path")
    right.set_xticks(levels, [str(n) for n in levels])
    right.minorticks_off()
    figure.savefig(options.output, metadata={"Date": None})


if __name__ == "__main__":
    main()
