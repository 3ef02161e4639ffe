"""hydra hands over a configuration file."""

import hydra
import torch
from torch import optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from nets.small import Net


@hydra.main(config_path=".", config_name="settings")
def main(config):
    loader = DataLoader(TensorDataset(torch.randn(8, 4), torch.randint(0, 2, (8,))), batch_size=2)
    model = Net(config.model.hidden)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(3):  # epoch loop
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()  # step


if __name__ == "__main__":
    main()
