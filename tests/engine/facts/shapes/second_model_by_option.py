"""A second model that is trained only where an option says so."""

import argparse

import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--decoder", action="store_true")
args = parser.parse_args()
loader = DataLoader(TensorDataset(torch.randn(8, 4)), batch_size=2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        return self.layer(x)


model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.1)
if args.decoder:
    decoder = nn.Linear(2, 4)
    optimizer_decoder = optim.SGD(decoder.parameters(), lr=0.1)

for epoch in range(3):  # epoch loop
    for (x,) in loader:
        optimizer.zero_grad()
        if args.decoder:
            optimizer_decoder.zero_grad()
            loss = nn.functional.mse_loss(decoder(model(x)), x)
        else:
            loss = model(x).pow(2).mean()
        loss.backward()
        optimizer.step()  # step
        if args.decoder:
            optimizer_decoder.step()
