import argparse
from collections import Counter

import nvflare.client as flare
import site_data
import torch
import torch.nn.functional as F
from model import Classifier
from nvflare.app_common.abstract.fl_model import MetaKey
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset


def data(count, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, generator=generator)
    return TensorDataset(x, (x.sum(1) > 0).long())


def evaluate(model, loader):
    model.eval()
    with torch.no_grad():
        hits = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    return hits / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--num-rounds", type=int, default=1)
    parser.add_argument("--partitions", type=int, default=1)
    args = parser.parse_args()
    flare.init()
    site_data.partitions = args.partitions
    torch.manual_seed(11)
    train_loader = DataLoader(site_data.part(data(64, 1)), batch_size=16, shuffle=True)
    test_loader = DataLoader(data(30, 2), batch_size=16)
    model = Classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    scheduler = CosineAnnealingLR(optimizer, T_max=args.epochs * args.num_rounds)
    steps = Counter()
    optimizer.register_step_post_hook(lambda *_: steps.update(done=1))
    params = {}
    while flare.is_running():
        input_model = flare.receive()
        if flare.is_submit_model():
            flare.send(flare.FLModel(params=params))
            continue
        model.load_state_dict(input_model.params)
        with torch.random.fork_rng():
            metrics = {"accuracy": evaluate(model, test_loader)}
        if flare.is_evaluate():
            flare.send(flare.FLModel(metrics=metrics))
            continue
        steps.clear()
        for epoch in range(args.epochs):
            model.train()
            for x, y in train_loader:
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
            scheduler.step()
            accuracy = evaluate(model, test_loader)
            print(f"epoch {epoch} accuracy {accuracy:.4f}")
        params = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        meta = {MetaKey.NUM_STEPS_CURRENT_ROUND: steps["done"]}
        flare.send(flare.FLModel(params=params, metrics=metrics, meta=meta))


if __name__ == "__main__":
    main()
