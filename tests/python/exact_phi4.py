"""Exact phi^4 on 4x4: the numbers of tests/data/phi4_4x4.json.

The link factor exp(2 kappa phi phi') is expanded in its eigenfunctions on a quadrature grid (with the
fourth root of the site weight at either end), kept up to `rank`; the torus of 4x4 site tensors is then
contracted exactly. Moments of the magnetisation come from the characteristic function <exp(ikM)>, a
complex weight at every site, at a rank of their own (0: without). The change from `rank - 1` to `rank` is
the truncation error.

    python tests/python/exact_phi4.py 0.1:8:6 0.21:9:0 0.27:10:0 0.4:11:0 > tests/data/phi4_4x4.json
"""
import json
import sys

import numpy as np

LAMBDA, L = 0.022, 4
V = L * L


class Torus:
    def __init__(self, kappa, rank, nodes=400, reach=9.0):
        x, w = np.polynomial.legendre.leggauss(nodes)
        self.phi, weight = reach * x, reach * w
        self.site = np.exp(-((1 - 2 * LAMBDA) * self.phi**2 + LAMBDA * self.phi**4))
        # Half of each of the four link factors goes into exp(2 kappa phi^2) at the ends: stable for large fields.
        root = self.site**0.25 * weight**0.5
        kernel = root[:, None] * np.exp(2 * kappa * self.phi[:, None] * self.phi[None, :]) * root[None, :]
        values, vectors = np.linalg.eigh(kernel)
        order = np.argsort(values)[::-1][:rank]
        # Functions A_a(phi) with sum_a A_a(phi) A_a(phi') = site^(1/4) exp(2 kappa phi phi') site'^(1/4).
        self.functions = vectors[:, order] * np.sqrt(np.maximum(values[order], 0)) / weight[:, None] ** 0.5
        self.weight, self.rank = weight, rank

    def tensor(self, insertion):
        a = self.functions
        pair = np.einsum("qi,qj->qij", a, a).reshape(len(a), -1)
        return ((pair * (self.weight * insertion)[:, None]).T @ pair).reshape([self.rank] * 4)  # l u r d

    def row(self, insertions):
        """Transfer matrix of a row: upper bonds by lower bonds."""
        r = self.rank
        pairs = []
        for first, second in (insertions[:2], insertions[2:]):
            p = np.einsum("aubd,bvce->acuvde", self.tensor(first), self.tensor(second))
            pairs.append(p.reshape(r, r, r * r, r * r))
        left = pairs[0].transpose(2, 3, 0, 1).reshape(r**4, r * r)
        right = pairs[1].transpose(1, 0, 2, 3).reshape(r * r, r**4)
        m = (left @ right).reshape(r * r, r * r, r * r, r * r)  # u12 d12 u34 d34
        return m.transpose(0, 2, 1, 3).reshape(r**4, r**4)


def observables(kappa, rank):
    torus = Torus(kappa, rank)
    one = np.ones_like(torus.phi)
    m = torus.row([one] * 4)
    square = m @ m
    z = np.sum(square * square.T)
    out = {"log_Z": float(np.log(z))}
    cube = square @ m
    for n in (2, 4, 6, 8):
        out[f"phi{n}"] = float(np.sum(torus.row([torus.phi**n, one, one, one]) * cube.T) / z)
    neighbours = torus.row([torus.phi, torus.phi, one, one])
    out["phi_phi_nn"] = float(np.sum(neighbours * cube.T) / z)
    return out


def magnetisation_moments(kappa, rank):
    torus = Torus(kappa, rank)
    m = torus.row([np.ones_like(torus.phi)] * 4)
    square = m @ m
    z = np.sum(square * square.T)

    def characteristic(k):
        m = torus.row([np.exp(1j * k / V * torus.phi)] * 4)
        square = m @ m
        return float(np.real(np.sum(square * square.T)) / z)

    width = 0.5
    k = width * np.cos(np.pi * (2 * np.arange(12) + 1) / 48)
    fit = np.polynomial.polynomial.polyfit(k**2, [characteristic(x) for x in k], 7)
    mag2, mag4 = -2 * fit[1], 24 * fit[2]
    # <|M|> = 2/pi int_0^inf (1 - <cos kM>) / k^2 dk.
    total, edges = 0.0, [0, 2, 4, 8, 16, 32, 64]
    x, w = np.polynomial.legendre.leggauss(16)
    for low, high in zip(edges, edges[1:]):
        at = 0.5 * (high - low) * x + 0.5 * (high + low)
        total += 0.5 * (high - low) * np.sum(w * np.array([(1 - characteristic(k)) / k**2 for k in at]))
    total += 1 / edges[-1]
    return {"abs_mag": float(2 / np.pi * total), "mag2": float(mag2), "mag4": float(mag4),
            "chi2": float(V * mag2), "binder": float(1 - mag4 / (3 * mag2**2))}


def main():
    rows = []
    for argument in sys.argv[1:]:
        kappa, rank, magnetisation = (float(part) for part in argument.split(":"))
        low, high = observables(kappa, int(rank) - 1), observables(kappa, int(rank))
        change = {name: abs(high[name] - low[name]) / abs(high[name]) for name in low}
        print(kappa, rank, "relative change with the last rank:", change, file=sys.stderr)
        if magnetisation:
            high |= magnetisation_moments(kappa, int(magnetisation))
        rows.append({"L": L, "kappa": kappa, "lambda": LAMBDA, "rank": int(rank),
                     "truncation": change, **high})
    method = "tests/python/exact_phi4.py: contraction of the torus of site tensors"
    print(json.dumps({"method": method, "rows": rows}, indent=1))


main()
