from collections import Counter

import nvflare.client as flare
import torch
from nvflare.app_common.abstract.fl_model import MetaKey
from torch import nn


class Trainer:
    def __init__(self, model, optimizer, train_loader, valid_loader, epochs):
        self.model = model
        self.optimizer = optimizer
        self.train_loader = train_loader
        self.valid_loader = valid_loader
        self.epochs = epochs
        self.criterion = nn.MSELoss()

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = self.criterion(self.model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()

    def fit(self):
        steps = Counter()
        self.optimizer.register_step_post_hook(lambda *_: steps.update(done=1))
        params = {}
        while flare.is_running():
            input_model = flare.receive()
            if flare.is_submit_model():
                flare.send(flare.FLModel(params=params))
                continue
            self.model.load_state_dict(input_model.params)
            with torch.random.fork_rng():
                metrics = {"valid_loss": self.validate()}
            if flare.is_evaluate():
                flare.send(flare.FLModel(metrics=metrics))
                continue
            steps.clear()
            for epoch in range(self.epochs):
                self.model.train()
                for x, y in self.train_loader:
                    self.step(x, y)
                valid_loss = self.validate()
                print(f"epoch {epoch + 1} valid loss {valid_loss:.5f}")
            params = {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}
            meta = {MetaKey.NUM_STEPS_CURRENT_ROUND: steps["done"]}
            flare.send(flare.FLModel(params=params, metrics=metrics, meta=meta))

    @torch.no_grad()
    def validate(self):
        self.model.eval()
        total = 0.0
        for x, y in self.valid_loader:
            total += self.criterion(self.model(x), y).item() * len(x)
        return total / len(self.valid_loader.dataset)
