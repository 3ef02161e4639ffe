"""One function evaluates where it gets no optimizer."""

import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.first = nn.Linear(4, hidden)
        self.last = nn.Linear(hidden, 2)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


def run_epoch(model, loader, optimizer=None):
    correct = 0
    for x, y in loader:
        outputs = model(x)
        if optimizer is not None:
            optimizer.zero_grad()
            F.cross_entropy(outputs, y).backward()
            optimizer.step()  # step
        correct += (outputs.argmax(1) == y).sum().item()
    return correct / len(loader.dataset)


data = TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,)))
train_loader, test_loader = DataLoader(data), DataLoader(data)
model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):  # epoch loop
    run_epoch(model, train_loader, optimizer)
    with torch.no_grad():
        accuracy = run_epoch(model, test_loader)
