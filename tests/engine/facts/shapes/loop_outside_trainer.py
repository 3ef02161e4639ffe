"""The epoch loop stands outside the trainer."""

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
    def __init__(self, model, loader):
        self.model, self.loader = model, loader
        self.opt = optim.Adam(model.parameters())

    def train_epoch(self):
        for x, y in self.loader:
            self.opt.zero_grad()
            F.cross_entropy(self.model(x), y).backward()
            self.opt.step()  # step


def main():
    model = Net()
    trainer = Trainer(model, DataLoader(TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,)))))
    for epoch in range(3):  # epoch loop
        trainer.train_epoch()


main()
