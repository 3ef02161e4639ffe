"""A train function that builds its loaders, optimizer and scaler."""

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


def train_model(model, epochs=5, lr=0.1, amp=False):
    data = TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,)))
    loader = DataLoader(data, batch_size=2)
    optimizer = optim.RMSprop(model.parameters(), lr=lr)
    scaler = torch.amp.GradScaler(enabled=amp)
    for epoch in range(1, epochs + 1):  # epoch loop
        for x, y in loader:
            with torch.autocast("cpu", enabled=amp):
                loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)  # step
            scaler.update()


if __name__ == "__main__":
    net = Net()
    train_model(net, epochs=2)
