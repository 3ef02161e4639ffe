"""Fit a curve with a small network, every step on all the data."""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Curve(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.hidden = nn.Linear(1, width)
        self.output = nn.Linear(width, 1)

    def forward(self, x):
        return self.output(torch.tanh(self.hidden(x)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()

    x = torch.linspace(-2, 2, 64).unsqueeze(1)
    loader = DataLoader(TensorDataset(x, torch.sin(2 * x) + x), batch_size=64)
    model = Curve()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(args.epochs):
        for inputs, targets in loader:
            loss = nn.functional.mse_loss(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
