"""for phase in ["train", "val"]."""

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


def train_model(model, loaders, optimizer, scheduler, num_epochs=3):
    for epoch in range(num_epochs):  # epoch loop
        for phase in ["train", "val"]:
            model.train() if phase == "train" else model.eval()
            running_corrects = 0
            for x, y in loaders[phase]:
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(x)
                    loss = F.cross_entropy(outputs, y)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()  # step
                running_corrects += (outputs.argmax(1) == y).sum().item()
            if phase == "train":
                scheduler.step()
            epoch_acc = running_corrects / len(loaders[phase].dataset)
            print(phase, epoch_acc)
    return model


data = TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,)))
dataloaders = {phase: DataLoader(data, batch_size=2) for phase in ["train", "val"]}
model_ft = Net()
optimizer_ft = optim.SGD(model_ft.parameters(), lr=0.1)
model_ft = train_model(model_ft, dataloaders, optimizer_ft, optim.lr_scheduler.StepLR(optimizer_ft, 7))
