import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 4
torch.manual_seed(7)

table = np.loadtxt("data/points.csv", delimiter=",", skiprows=1, dtype=np.float32)
features, labels = torch.from_numpy(table[:, :4]), torch.from_numpy(table[:, 4:])
train_set = TensorDataset(features[:45], labels[:45])
test_x, test_y = features[45:], labels[45:]
loader = DataLoader(train_set, batch_size=10, shuffle=True)

model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

best = 0.0
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
print(f"best accuracy {best:.3f}")
