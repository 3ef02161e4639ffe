"""A trainer keeps its optimizer under the name of a schedule as well."""

import torch
from torch import nn
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
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
lr_scheduler = optimizer

for epoch in range(3):  # epoch loop
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()  # step
