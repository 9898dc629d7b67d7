"""Training step against PyTorch: python3 benches/compare/torch_train.py [--data D.npy] [--rounds 6]

The same network, batch, loss, augmentation, clipping, Adam and average of the weights in eager PyTorch (without
torch.compile, which needs a C++ compiler on the machine), in single precision with denormals flushed.
The memory format and the way to pad that are fastest on this machine are found first, and then used.
Blocks of PyTorch steps and of stoq steps alternate, so that a change of load or clock meets both.
"""

import argparse
import itertools
import math
import os
import pathlib
import tempfile
import time

import common

CHANNELS, EMBEDDING, BINS, MEMORY = [24, 32, 48], 64, 16, 0.99
KAPPA, LAMBDA = 0.26, 0.022


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="configurations (.npy); without it, Gaussian ones on 16x16 are drawn")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=6, help="pairs of blocks")
    parser.add_argument("--steps", type=int, default=10, help="steps a block")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


OPTIONS = parse()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(OPTIONS.threads)

import numpy as np  # noqa: E402  (after the number of threads is set)
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402


class Circular(torch.nn.Conv2d):
    """Convolution 3x3 on a periodic lattice. `pad` chooses how the halo is made."""

    def __init__(self, inputs, outputs, pad, zero=False):
        super().__init__(inputs, outputs, 3)
        self.pad = pad
        if zero:
            torch.nn.init.zeros_(self.weight)
            torch.nn.init.zeros_(self.bias)

    def forward(self, x):
        if self.pad == "cat":
            x = torch.cat([x[..., -1:], x, x[..., :1]], dim=-1)
            x = torch.cat([x[..., -1:, :], x, x[..., :1, :]], dim=-2)
        else:
            x = F.pad(x, (1, 1, 1, 1), mode="circular")
        return super().forward(x)


class Block(torch.nn.Module):
    def __init__(self, channels, pad):
        super().__init__()
        self.first = Circular(channels, channels, pad)
        self.second = Circular(channels, channels, pad, zero=True)
        self.modulation = torch.nn.Linear(EMBEDDING, 2 * channels)

    def forward(self, x, embedding):
        h = self.first(F.silu(x))
        scale, shift = self.modulation(embedding)[..., None, None].chunk(2, dim=1)
        return x + self.second(F.silu(torch.addcmul(shift, h, 1 + scale)))


class UNet(torch.nn.Module):
    """The network of src/nn/unet.rs on two dimensions."""

    def __init__(self, pad):
        super().__init__()
        self.input = Circular(2, CHANNELS[0], pad)
        self.down = torch.nn.ModuleList(Block(c, pad) for c in CHANNELS)
        self.up = torch.nn.ModuleList(Block(c, pad) for c in CHANNELS)
        pairs = list(zip(CHANNELS, CHANNELS[1:]))
        # Space-to-depth and channel mixing is a convolution with kernel and stride 2.
        self.coarsen = torch.nn.ModuleList(torch.nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairs)
        self.refine = torch.nn.ModuleList(torch.nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in pairs)
        self.output = Circular(CHANNELS[0], 1, pad, zero=True)
        self.first = torch.nn.Linear(16, EMBEDDING)
        self.second = torch.nn.Linear(EMBEDDING, EMBEDDING)
        self.register_buffer("frequencies", torch.linspace(0.1, 1.5, 8))

    def forward(self, x, log_noise):
        angles = log_noise[:, None] * self.frequencies
        features = torch.cat([angles.sin(), angles.cos()], dim=1)
        embedding = F.silu(self.second(F.silu(self.first(features))))
        x, kept = self.input(x), []
        for level in range(len(CHANNELS)):
            x = self.down[level](x, embedding)
            if level < len(self.coarsen):
                kept.append(x)
                x = self.coarsen[level](x)
        for level in reversed(range(len(CHANNELS))):
            x = self.up[level](x, embedding)
            if level > 0:
                x = kept.pop() + F.pixel_shuffle(self.refine[level - 1](x), 2)
        return self.output(F.silu(x))[:, 0]


def momentum_classes(extent):
    """Class of each momentum of a real transform on a square, how many modes each stands for."""
    folded = np.minimum(np.arange(extent), extent - np.arange(extent))
    half = np.arange(extent // 2 + 1)
    keys = [tuple(sorted((int(a), int(b)))) for a in folded for b in half]
    order = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    weight = np.tile(np.where((half == 0) | (2 * half == extent), 1.0, 2.0), extent)
    return torch.tensor([order[key] for key in keys]), torch.tensor(weight, dtype=torch.float32)


class Training:
    """The loop of src/train: Trainer::step."""

    def __init__(self, data, batch, pad, memory_format):
        torch.manual_seed(1)
        self.batch, self.extent, self.memory_format = batch, data.shape[-1], memory_format
        self.data = data[: len(data) - len(data) // 10]
        self.net = UNet(pad).to(memory_format=memory_format)
        self.parameters = list(self.net.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        self.adam = torch.optim.Adam(self.parameters, lr=2e-3, betas=(0.9, 0.99), fused=True)
        self.steps = 0
        self.klass, multiplicity = momentum_classes(self.extent)
        classes = int(self.klass.max()) + 1
        # Sum over the modes of a class as a matrix product.
        self.indicator = torch.zeros(len(self.klass), classes)
        self.indicator[torch.arange(len(self.klass)), self.klass] = multiplicity
        power = torch.fft.rfft2(self.data, norm="ortho").abs().square().mean(0).flatten()
        by_class = power @ self.indicator / self.indicator.sum(0)
        self.covariance = by_class[self.klass].view(self.extent, -1)
        self.variance = float(self.data.var())
        self.range = (math.log(0.08 * float(by_class.min()) ** 0.5), math.log(2 * float(by_class.max()) ** 0.5))
        centres = self.range[0] + (self.range[1] - self.range[0]) * (torch.arange(BINS) + 0.5) / BINS
        xi = (2 * centres).exp()[:, None]
        spread, slope = by_class * xi / (by_class + xi), -xi / by_class
        self.moments = torch.stack([slope.square() * spread, spread, slope * spread])
        self.counts = self.indicator.sum(0)

    def draw(self):
        """Configurations with a random translation, reflection, exchange of axes and sign."""
        n, batch = self.extent, self.batch
        fields = self.data[torch.randint(len(self.data), (batch,))].view(batch, -1)
        start, mirror = torch.randint(n, (2, batch, 1)), 1 - 2 * torch.randint(2, (2, batch, 1))
        line = torch.arange(n)
        rows, columns = (start + mirror * line) % n
        strides = torch.where(torch.rand(batch, 1, 1) < 0.5, 1, n)
        index = rows[:, :, None] * strides + columns[:, None, :] * (n + 1 - strides)
        sign = 1.0 - 2.0 * torch.randint(2, (batch, 1, 1))
        return sign * fields.gather(1, index.view(batch, -1)).view(batch, n, n)

    def force(self, x):
        neighbours = sum(x.roll(step, dim) for dim in (1, 2) for step in (1, -1))
        return 2 * KAPPA * neighbours - 2 * x - 4 * LAMBDA * (x.square() - 1) * x

    def filter(self, field, multiplier):
        return torch.fft.irfft2(torch.fft.rfft2(field) * multiplier, s=field.shape[-2:])

    def target(self, clean, noisy, denoised, xi, bins):
        """The mixture of target and denoising score matching of src/train/target.rs, and its moments."""
        with torch.no_grad():
            a, b = noisy + xi * self.force(clean) - denoised, clean - denoised
            fa, fb = torch.fft.rfft2(torch.stack([a, b]), norm="ortho")
            products = torch.stack([fa.abs().square(), fb.abs().square(), (fa.conj() * fb).real])
            sums = products.flatten(2) @ self.indicator
            aa, bb, ab = self.moments
            total = aa + bb - 2 * ab
            weights = torch.where(total > 0, ((bb - ab) / total).clamp(-0.5, 1.5), 0.0)
            chosen = weights[bins][:, self.klass].view(-1, *self.covariance.shape)
            residual = b + torch.fft.irfft2((fa - fb) * chosen, s=a.shape[-2:], norm="ortho")
            means = torch.zeros_like(self.moments).index_add_(1, bins, sums)
            count = torch.bincount(bins, minlength=BINS)[:, None] * self.counts
            self.moments = torch.where(count > 0, MEMORY * self.moments + (1 - MEMORY) * means / count, self.moments)
            return residual + denoised

    def step(self):
        batch = self.batch
        clean = self.draw()
        position = ((torch.arange(batch) + torch.rand(1)) / batch) % 1
        log_noise = self.range[0] + (self.range[1] - self.range[0]) * position
        sigma = log_noise.exp()[:, None, None]
        xi, total = sigma.square(), sigma.square() + self.variance
        noisy = torch.addcmul(clean, sigma, torch.randn_like(clean))
        filtered = self.filter(noisy, self.covariance / (self.covariance + xi))
        inputs = torch.stack([noisy * total.rsqrt(), filtered / self.variance**0.5], dim=1)
        correction = self.net(inputs.contiguous(memory_format=self.memory_format), log_noise)
        denoised = filtered + self.variance**0.5 * xi / total * correction
        bins = (position * BINS).long().clamp(max=BINS - 1)
        target = self.target(clean, noisy, denoised.detach(), xi, bins)
        loss = ((denoised - target).square() / xi).mean()
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
        for group in self.adam.param_groups:
            group["lr"] = 2e-3 * min((self.steps + 1) / 200, 1.0)
        self.adam.step()
        self.steps += 1
        with torch.no_grad():
            memory = min(0.9995, self.steps / (self.steps + 9))
            torch._foreach_lerp_(self.average, self.parameters, 1 - memory)
        return loss.item()

    def timed(self, count):
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            self.step()
            seconds.append(time.perf_counter() - start)
        return seconds


def gaussian_data(path):
    """Configurations whose spectrum falls like that of a field near its transition."""
    momenta = 2 * np.pi * np.fft.fftfreq(16)
    laplacian = 4 - 2 * np.cos(momenta)[:, None] - 2 * np.cos(momenta)[None, :]
    white = np.fft.fft2(np.random.default_rng(1).normal(size=(2048, 16, 16)))
    np.save(path, np.fft.ifft2(white / np.sqrt(0.2 + laplacian)).real.astype(np.float32))


def fastest(data):
    """A training in the fastest of the variants."""
    results = []
    variants = itertools.product(["pad", "cat"], ["contiguous_format", "channels_last"])
    for pad, memory_format in variants:
        training = Training(data, OPTIONS.batch, pad, getattr(torch, memory_format))
        training.timed(3)
        minimum, median = common.summary(training.timed(8))
        print(f"PyTorch, {memory_format}, halo by {pad}: {1e3 * minimum:.1f} ms a step ({1e3 * median:.1f} median)")
        results.append((minimum, training))
    return min(results, key=lambda result: result[0])[1]


def main():
    torch.set_num_threads(OPTIONS.threads)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    program = common.build()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(OPTIONS.data or pathlib.Path(folder) / "gaussian.npy")
        if not OPTIONS.data:
            gaussian_data(path)
        data = torch.from_numpy(np.load(path).astype(np.float32))
        print(f"PyTorch {torch.__version__}, {OPTIONS.threads} thread(s), batch {OPTIONS.batch}, {common.load()}")
        training = fastest(data)
        arguments = ["train", "--data", path, "--batch", OPTIONS.batch, "--steps", OPTIONS.steps]
        arguments += ["--threads", OPTIONS.threads, "--kappa", KAPPA, "--lambda", LAMBDA]
        peer, ours = [], []
        for _ in range(OPTIONS.rounds):
            training.timed(1)  # brings the data back into the caches, as stoq's untimed first step does
            peer += training.timed(OPTIONS.steps)
            ours += common.stoq(program, *arguments)["seconds"]
    for name, seconds in [("PyTorch", peer), ("stoq", ours)]:
        minimum, median = common.summary(seconds)
        print(f"{name}: {1e3 * minimum:.2f} ms a step, median {1e3 * median:.2f} ms")
    ratios = [a / b for a, b in zip(common.summary(ours), common.summary(peer))]
    print(f"stoq / PyTorch: {ratios[0]:.3f} by minima, {ratios[1]:.3f} by medians, {common.load()}")


if __name__ == "__main__":
    main()
