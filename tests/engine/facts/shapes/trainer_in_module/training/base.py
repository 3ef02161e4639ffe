from abc import abstractmethod

from torch import optim


class BaseTrainer:
    def __init__(self, model, epochs=3):
        self.model, self.epochs = model, epochs
        self.optimizer = optim.SGD(model.parameters(), lr=0.1)

    @abstractmethod
    def train_epoch(self):
        raise NotImplementedError

    def train(self):
        for epoch in range(self.epochs):  # epoch loop
            self.train_epoch()
