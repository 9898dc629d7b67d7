"""The score network of the literature in PyTorch: Wang, Aarts, Zhou, JHEP 05 (2024) 060, appendix A, as src/nn/published
writes it down (padding with zeros, group normalisation, Fourier features of t, 1.1 million weights)."""

import math

import torch
import torch.nn.functional as F
from torch import nn

CHANNELS, GROUPS, EMBEDDING, FREQUENCY_SCALE = [32, 64, 128, 256], [4, 32, 32, 32], 256, 30.0


class PublishedUNet(nn.Module):
    """score(x, t) of the variance-expanding scheme with base `sigma`, for x of shape (batch, 1, L1, L2); L divisible by 8."""

    def __init__(self, sigma=25.0, channels=CHANNELS, groups=GROUPS, embedding=EMBEDDING):
        super().__init__()
        self.log_sigma = math.log(sigma)
        self.register_buffer("frequencies", FREQUENCY_SCALE * torch.randn(embedding // 2))
        self.embed = nn.Linear(embedding, embedding)
        below = [1, *channels[:-1]]
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=1 if index == 0 else 2, padding=1, bias=False)
            for index, (a, b) in enumerate(zip(below, channels))
        )
        self.down_time = nn.ModuleList(nn.Linear(embedding, c) for c in channels)
        self.down_norm = nn.ModuleList(nn.GroupNorm(g, c) for g, c in zip(groups, channels))
        # From the coarsest stage back; all but the first read two stages.
        above = list(reversed(channels[:-1]))
        read = [channels[-1], *(2 * c for c in above[:-1])]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1, bias=False) for a, b in zip(read, above)
        )
        self.up_time = nn.ModuleList(nn.Linear(embedding, c) for c in above)
        self.up_norm = nn.ModuleList(nn.GroupNorm(g, c) for g, c in zip(reversed(groups[:-1]), above))
        self.last = nn.ConvTranspose2d(2 * channels[0], 1, 3, padding=1)

    def forward(self, x, t):
        angle = 2 * math.pi * t[:, None] * self.frequencies[None, :]
        embedding = F.silu(self.embed(torch.cat([angle.sin(), angle.cos()], dim=1)))
        kept = []
        for convolution, time, norm in zip(self.down, self.down_time, self.down_norm):
            x = F.silu(norm(convolution(x) + time(embedding)[:, :, None, None]))
            kept.append(x)
        kept.pop()
        for convolution, time, norm in zip(self.up, self.up_time, self.up_norm):
            x = F.silu(norm(convolution(x) + time(embedding)[:, :, None, None]))
            x = torch.cat([x, kept.pop()], dim=1)
        variance = torch.expm1(2 * self.log_sigma * t) / (2 * self.log_sigma)
        return self.last(x) / variance.sqrt()[:, None, None, None]
