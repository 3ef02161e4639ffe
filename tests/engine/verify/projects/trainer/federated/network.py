import torch
from torch import nn


class Regressor(nn.Module):
    def __init__(self, width, depth=2):
        super().__init__()
        sizes = [5] + [width] * depth
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            self.seen += len(x)
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.head(self.norm(x)).squeeze(1)
