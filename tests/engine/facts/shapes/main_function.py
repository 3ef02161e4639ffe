"""main(), train() and test() with objects passed as parameters."""

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


def train(model, loader, optimizer):
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()  # step


@torch.no_grad()
def evaluate(model, loader):
    correct = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    return correct / len(loader.dataset)


def main():
    loader = DataLoader(TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,))), batch_size=2)
    model = Net()
    optimizer = optim.AdamW(model.parameters(), lr=0.1)
    for epoch in range(3):  # epoch loop
        train(model, loader, optimizer)
        accuracy = evaluate(model, loader)
        print(epoch, accuracy)


if __name__ == "__main__":
    main()
