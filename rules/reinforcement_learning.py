"""FLR107: reinforcement learning."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.reading import calls_of

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.facts.trace import Event

ENVIRONMENTS = (
    "gym.make", "gymnasium.make", "gym.vector.make", "gymnasium.make_vec", "gymnasium.vector.make", "pettingzoo.",
    "stable_baselines3.", "stable_baselines.", "dm_control.suite.load", "torchrl.envs.", "procgen.", "minigrid.",
    "gym_super_mario_bros.make", "vizdoom.DoomGame", "unityagents.", "mlagents_envs.environment.", "ray.rllib.",
)  # fmt: skip


class ReinforcementLearning(ProgramRule):
    """
    ## What it does
    Refuses a program that learns by acting in an environment: of Gym, Gymnasium, PettingZoo, dm_control,
    Stable-Baselines and others, or of its own, whose `step` gives back a reward.

    ## Why is this bad
    Its data depends on the policy that is trained, its progress counts episodes rather than epochs, and replay memory
    and target networks are state beside the model. Averaging weights per epoch would not be the same algorithm.

    ## Example
    ```python
    env = gym.make("CartPole-v1")
    observation, reward, done, info = env.step(action)
    ```

    ## Remedy
    Write the client by hand with `nvflare.client`: decide what a round is and what is exchanged.

    ## Fix safety
    There is no fix.
    """

    CODE = "FLR107"
    MESSAGE = "This program learns by acting in an environment; its training has no epochs over local data to federate."
    REMEDY = "Write the client by hand with nvflare.client: decide what a round is and what is exchanged."
    VALID = [
        "env = make('train')\nenv.step(1)",
        "import gym\ndef unused():\n    return gym.make('CartPole-v1')",
        "loss, done = trainer.step(batch)",
    ]
    INVALID = [
        Invalid("import gym\nenv = gym.make('CartPole-v1')\nenv.reset()"),
        Invalid("import gymnasium as gym\ndef main():\n    env = gym.make('CartPole-v1')\nmain()"),
        Invalid("world = World()\nwhile not done:\n    state, reward, done = world.step(action)"),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Where the environment is made, or acted in."""
        acting = (event for event in facts.trace.events if gives_reward(event))
        event = next(calls_of(facts, *ENVIRONMENTS), None) or next(acting, None)
        if event:
            yield cls.found(event.scope.file, event.node)


def gives_reward(event: Event) -> bool:
    """True for ``state, reward, done = env.step(action)``."""
    statement, called = event.statement, event.node.func
    if not isinstance(statement, ast.Assign) or statement.value is not event.node:
        return False
    names = [ast.unparse(name) for target in statement.targets if isinstance(target, ast.Tuple) for name in target.elts]
    rewards = len(names) > 2 and any("reward" in name.lower() for name in names)
    return rewards and isinstance(called, ast.Attribute) and called.attr == "step"
