"""The digits fixture as somebody would write it for NVFLARE by hand: the same training, no generated code."""

import argparse

import nvflare.client as flare
import site_data
import torch
import torch.nn.functional as F
from model import Net
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset


def loaders():
    digits = load_digits()
    images = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    train, test = train_test_split(range(len(labels)), test_size=0.2, random_state=0, stratify=labels)
    train_set = site_data.part(TensorDataset(images[train], labels[train]))
    return DataLoader(train_set, batch_size=32, shuffle=True), DataLoader(
        TensorDataset(images[test], labels[test]), batch_size=500
    )


def evaluate(model, loader, device):
    model.eval()
    correct = loss = 0
    with torch.no_grad():
        for x, y in loader:
            x, y = x.to(device), y.to(device)
            output = model(x)
            loss += F.nll_loss(output, y, reduction="sum").item()
            correct += output.argmax(dim=1).eq(y).sum().item()
    return {"accuracy": correct / len(loader.dataset), "loss": loss / len(loader.dataset)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--partitions")
    args = parser.parse_args()
    flare.init()
    site_data.partitions = args.partitions
    torch.manual_seed(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_loader, test_loader = loaders()
    model = Net(channels=32).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.7)
    best = 0.0
    while flare.is_running():
        received = flare.receive()
        model.load_state_dict(received.params)
        metrics = evaluate(model, test_loader, device)
        if flare.is_evaluate():
            flare.send(flare.FLModel(metrics=metrics))
            continue
        for _ in range(args.epochs):
            model.train()
            for batch, (x, y) in enumerate(train_loader):
                x, y = x.to(device), y.to(device)
                optimizer.zero_grad()
                loss = F.nll_loss(model(x), y)
                loss.backward()
                optimizer.step()
                if batch % 10 == 0:
                    print(f"batch {batch} loss {loss.item():.4f}")
            accuracy = evaluate(model, test_loader, device)["accuracy"]
            print(f"accuracy {accuracy:.4f}")
            if accuracy > best:
                best = accuracy
                torch.save(model.state_dict(), "best.pt")
            scheduler.step()
        params = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        steps = args.epochs * len(train_loader)
        flare.send(flare.FLModel(params=params, metrics=metrics, meta={"NUM_STEPS_CURRENT_ROUND": steps}))


if __name__ == "__main__":
    main()
