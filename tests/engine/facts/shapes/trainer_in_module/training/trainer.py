from torch.nn import functional as F

from .base import BaseTrainer


class Trainer(BaseTrainer):
    def __init__(self, model, loader):
        super().__init__(model)
        self.loader = loader

    def train_epoch(self):
        for x, y in self.loader:
            self.optimizer.zero_grad()
            F.cross_entropy(self.model(x), y).backward()
            self.optimizer.step()  # step
