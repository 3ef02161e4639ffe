"""The entry stands in a sub-folder and imports from the project root."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))

import torch  # noqa: E402
from blocks import Net  # noqa: E402
from torch import optim  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

loader = DataLoader(TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,))))
model = Net(hidden=11)
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):  # epoch loop
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()  # step
