"""A helper object that scales, goes backward and steps."""

import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

data = TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,)))
loader = DataLoader(data, batch_size=2)


class Net(nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.first = nn.Linear(4, hidden)
        self.last = nn.Linear(hidden, 2)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


class NativeScaler:
    def __init__(self):
        self._scaler = torch.amp.GradScaler()

    def __call__(self, loss, optimizer, parameters=None, clip_grad=1.0):
        self._scaler.scale(loss).backward()
        torch.nn.utils.clip_grad_norm_(parameters, clip_grad)
        self._scaler.step(optimizer)  # step
        self._scaler.update()


model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.1)
loss_scaler = NativeScaler()

for epoch in range(3):  # epoch loop
    for x, y in loader:
        optimizer.zero_grad()
        loss_scaler(F.cross_entropy(model(x), y), optimizer, parameters=model.parameters())
