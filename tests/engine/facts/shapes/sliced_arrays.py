"""Batches are cut out of arrays by hand."""

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


model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.1)
inputs, targets = data.tensors

for epoch in range(3):  # epoch loop
    permutation = torch.randperm(8)
    for i in range(0, 8, 2):
        x, y = inputs[permutation[i : i + 2]], targets[permutation[i : i + 2]]
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()  # step
