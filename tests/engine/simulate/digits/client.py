import argparse
from collections import Counter

import nvflare.client as flare
import site_data
import torch
from model import Net
from nvflare.app_common.abstract.fl_model import MetaKey
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(model, loader, optimizer):
    model.train()
    for data, target in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data), target).backward()
        optimizer.step()


@torch.no_grad()
def test(model, data, target):
    model.eval()
    return {"accuracy": (model(data).argmax(1) == target).float().mean().item()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--partitions", default="1")
    args = parser.parse_args()
    flare.init()
    site_data.partitions = args.partitions
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    data, target = torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels)
    train_set = site_data.part(TensorDataset(data[:1400], target[:1400]))
    train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
    model = Net(hidden=16)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    params = {}
    steps = Counter()
    optimizer.register_step_post_hook(lambda *_: steps.update(done=1))

    while flare.is_running():
        input_model = flare.receive()
        if flare.is_submit_model():
            flare.send(flare.FLModel(params=params))
            continue
        model.load_state_dict(input_model.params)
        metrics = test(model, data[1400:], target[1400:])
        if flare.is_evaluate():
            flare.send(flare.FLModel(metrics=metrics))
            continue
        steps.clear()
        for _epoch in range(args.epochs):
            train(model, train_loader, optimizer)
        params = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
        flare.send(flare.FLModel(params=params, metrics=metrics, meta={MetaKey.NUM_STEPS_CURRENT_ROUND: steps["done"]}))

    print("finished training")


if __name__ == "__main__":
    main()
