"""The function that trains an epoch evaluates as well."""

import torch
from torch import optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from nets.small import Net

data = TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,)))


def fit_one_epoch(model, train_loader, val_loader, optimizer):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()  # step
    model.eval()
    val_loss = 0.0
    with torch.no_grad():
        for x, y in val_loader:
            val_loss += F.cross_entropy(model(x), y).item()
    print("val loss", val_loss / len(val_loader))


model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):  # epoch loop
    fit_one_epoch(model, DataLoader(data), DataLoader(data), optimizer)
