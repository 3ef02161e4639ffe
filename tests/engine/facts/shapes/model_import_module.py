"""The module of the model is imported by a name that an option gives."""

import argparse
import importlib

import torch
from torch import optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--net", default="small")
args = parser.parse_args()
loader = DataLoader(TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,))), batch_size=2)
model = importlib.import_module("nets." + args.net).Net(hidden=14)
optimizer = optim.SGD(model.parameters(), lr=0.1)

for epoch in range(3):  # epoch loop
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()  # step
