import argparse
from collections import Counter

import nvflare.client as flare
import site_data
import torch
import torch.nn.functional as F
from model import Net
from nvflare.app_common.abstract.fl_model import MetaKey
from torch.utils.data import DataLoader, TensorDataset


def make_data(count, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (count,), generator=generator)
    images = torch.randn(count, 1, 6, 6, generator=generator) + labels[:, None, None, None]
    return TensorDataset(images, labels)


def train(args, model, train_loader, optimizer, epoch):
    model.train()
    for data, target in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(data), target)
        loss.backward()
        optimizer.step()
    print(f"Train epoch {epoch} loss {loss.item():.4f}")


def test(model, test_loader):
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for data, target in test_loader:
            output = model(data)
            loss += F.cross_entropy(output, target, reduction="sum").item()
            correct += (output.argmax(1) == target).sum().item()
    loss /= len(test_loader.dataset)
    accuracy = correct / len(test_loader.dataset)
    print(f"Test loss {loss:.4f}, accuracy {100.0 * accuracy:.2f}%")
    return {"accuracy": accuracy, "loss": loss}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--hidden", type=int, default=12)
    parser.add_argument("--save", default="model.pt")
    parser.add_argument("--partitions", type=int, default=1)
    args = parser.parse_args()
    flare.init()
    site_data.partitions = args.partitions
    torch.manual_seed(3)
    train_set = make_data(97, seed=1)
    train_loader = DataLoader(site_data.part(train_set), batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(make_data(45, seed=2), batch_size=32)
    model = Net(hidden=args.hidden)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)
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
            metrics = test(model, test_loader)
        if flare.is_evaluate():
            flare.send(flare.FLModel(metrics=metrics))
            continue
        steps.clear()
        for epoch in range(1, args.epochs + 1):
            train(args, model, train_loader, optimizer, epoch)
            test(model, test_loader)
        params = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
        meta = {MetaKey.NUM_STEPS_CURRENT_ROUND: steps["done"]}
        flare.send(flare.FLModel(params=params, metrics=metrics, meta=meta))
    torch.save(model.state_dict(), args.save)


if __name__ == "__main__":
    main()
