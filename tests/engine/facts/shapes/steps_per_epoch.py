"""Batches of a generator, as many as the script's option says."""

import argparse

import torch
from torch import nn, optim

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--steps-per-epoch", type=int, default=10)
args = parser.parse_args()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        return self.layer(x)


def batches():
    while True:
        yield torch.randn(2, 4), torch.randn(2, 2)


generator = batches()
model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.1)
losses = [nn.functional.mse_loss, nn.functional.l1_loss]

for epoch in range(args.epochs):  # epoch loop
    for step in range(args.steps_per_epoch):
        x, y = next(generator)
        out = model(x)
        optimizer.zero_grad()
        loss = 0
        for function in losses:
            loss += function(out, y)
        loss.backward()
        optimizer.step()  # step
