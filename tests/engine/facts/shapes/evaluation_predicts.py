"""The pass over the batches stands in a function that only predicts; its caller measures."""

import torch
from torch import nn
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


def predicted(model, inputs):
    model.eval()
    outputs = []
    for part in inputs.split(4):
        outputs.append(model(part).detach())
    return torch.cat(outputs)


def test(model, inputs, labels):
    correct = (predicted(model, inputs).argmax(1) == labels).sum().item()
    acc_test = correct / len(labels)
    print(f"accuracy {acc_test:.2f}")
    return acc_test


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for epoch in range(3):  # epoch loop
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()  # step
    acc = test(model, *data.tensors)
