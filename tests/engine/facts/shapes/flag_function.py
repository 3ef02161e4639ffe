"""One function trains or evaluates, by a flag."""

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


def run_epoch(model, loader, optimizer, train):
    model.train(train)
    total = 0.0
    for x, y in loader:
        with torch.set_grad_enabled(train):
            loss = F.cross_entropy(model(x), y)
        if train:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()  # step
        total += loss.item()
    return total / len(loader)


data = TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,)))
train_loader, val_loader = DataLoader(data), DataLoader(data)
model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):  # epoch loop
    train_loss = run_epoch(model, train_loader, optimizer, train=True)
    val_loss = run_epoch(model, val_loader, optimizer, train=False)
