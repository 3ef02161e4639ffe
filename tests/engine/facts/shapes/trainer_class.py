"""A Trainer whose train() holds the epoch loop."""

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


class Trainer:
    def __init__(self, model, loader, epochs):
        self.model, self.loader, self.epochs = model, loader, epochs
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.1)

    def fit(self):
        for epoch in range(self.epochs):  # epoch loop
            self.run_epoch()
            print("val loss", self.validate())

    def run_epoch(self):
        for x, y in self.loader:
            self.run_batch(x, y)

    def run_batch(self, x, y):
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(x), y).backward()
        self.optimizer.step()  # step

    def validate(self):
        self.model.eval()
        with torch.no_grad():
            losses = [F.cross_entropy(self.model(x), y).item() for x, y in self.loader]
        return sum(losses) / len(losses)


def main():
    data = TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,)))
    Trainer(Net(), DataLoader(data, batch_size=2), 3).fit()


main()
