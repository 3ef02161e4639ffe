"""The trainer is inherited and stands in other modules; the entry imports it."""

import torch
from models.net import Net
from torch.utils.data import DataLoader, TensorDataset
from training import Trainer

if __name__ == "__main__":
    data = TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,)))
    model = Net(hidden=9)
    Trainer(model, DataLoader(data, batch_size=2)).train()
