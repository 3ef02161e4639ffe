import argparse

import nvflare.client as flare
import site_data
import torch
from network import Regressor
from torch.utils.data import DataLoader, TensorDataset
from trainer import Trainer


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--num-epochs", type=int, default=3)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--partitions", type=int, default=1)
    return parser.parse_args()


def make_set(count, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 5, generator=generator)
    return TensorDataset(x, x[:, 0] * x[:, 1] + 0.1 * torch.randn(count, generator=generator))


def main():
    args = parse_args()
    flare.init()
    site_data.partitions = args.partitions
    torch.manual_seed(0)
    train_loader = DataLoader(site_data.part(make_set(50, 1)), batch_size=8, shuffle=True)
    valid_loader = DataLoader(make_set(20, 2), batch_size=8)
    model = Regressor(args.width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    trainer = Trainer(model, optimizer, train_loader, valid_loader, args.num_epochs)
    trainer.fit()
    torch.save(model.state_dict(), "regressor.pt")


if __name__ == "__main__":
    main()
