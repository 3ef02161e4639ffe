"""A wrapper object with a step of its own."""

import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

data = TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,)))
loader = DataLoader(data, batch_size=2)


class Net(nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.first = nn.Linear(4, hidden)
        self.last = nn.Linear(hidden, 2)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


class Scheduled:
    def __init__(self, optimizer):
        self._optimizer, self.count = optimizer, 0

    def zero_grad(self):
        self._optimizer.zero_grad()

    def step_and_update(self):
        self.count += 1
        for group in self._optimizer.param_groups:
            group["lr"] = 0.1 * self.count
        self._optimizer.step()  # step


model = Net()
optimizer = Scheduled(optim.Adam(model.parameters()))

for epoch in range(3):  # epoch loop
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step_and_update()
