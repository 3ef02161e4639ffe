"""Iterations are counted, not epochs."""

import torch
from torch import nn, optim
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.first = nn.Linear(4, hidden)
        self.last = nn.Linear(hidden, 2)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


def get_batch():
    return torch.randn(2, 4), torch.randint(0, 2, (2,))


model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.1)
iteration = 0
while True:  # epoch loop
    for group in optimizer.param_groups:
        group["lr"] = 0.1 / (iteration + 1)
    for micro_step in range(4):
        x, y = get_batch()
        (F.cross_entropy(model(x), y) / 4).backward()
    optimizer.step()  # step
    optimizer.zero_grad()
    iteration += 1
    if iteration > 100:
        break
