import argparse
from collections import Counter

import numpy as np
import nvflare.client as flare
import site_data
import torch
from model import build_model
from nvflare.app_common.abstract.fl_model import MetaKey
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--data-path", default="data/points.csv")
parser.add_argument("--partitions", type=int, default=1)
args = parser.parse_args()
flare.init()
site_data.partitions = args.partitions

EPOCHS = args.epochs
torch.manual_seed(7)

table = np.loadtxt(args.data_path, delimiter=",", skiprows=1, dtype=np.float32)
features, labels = torch.from_numpy(table[:, :4]), torch.from_numpy(table[:, 4:])
train_set = TensorDataset(features[:45], labels[:45])
test_x, test_y = features[45:], labels[45:]
loader = DataLoader(site_data.part(train_set), batch_size=10, shuffle=True)

model = build_model()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
steps = Counter()
optimizer.register_step_post_hook(lambda *_: steps.update(done=1))


def evaluate():
    model.eval()
    with torch.no_grad():
        accuracy = ((model(test_x) > 0).float() == test_y).float().mean().item()
    return {"accuracy": accuracy}


best = 0.0
params = {}
while flare.is_running():
    input_model = flare.receive()
    if flare.is_submit_model():
        flare.send(flare.FLModel(params=params))
        continue
    model.load_state_dict(input_model.params)
    metrics = evaluate()
    if flare.is_evaluate():
        flare.send(flare.FLModel(metrics=metrics))
        continue
    steps.clear()
    for epoch in range(EPOCHS):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            accuracy = ((model(test_x) > 0).float() == test_y).float().mean().item()
        print(f"epoch {epoch}: accuracy {accuracy:.3f}")
        if accuracy > best:
            best = accuracy
            torch.save(model.state_dict(), "best.pt")
    params = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
    meta = {MetaKey.NUM_STEPS_CURRENT_ROUND: steps["done"]}
    flare.send(flare.FLModel(params=params, metrics=metrics, meta=meta))
print(f"best accuracy {best:.3f}")
