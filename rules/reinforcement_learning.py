"""FLR107: reinforcement learning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.reading import calls_of

if TYPE_CHECKING:
    from engine.facts import Facts

ENVIRONMENTS = (
    "gym.make", "gymnasium.make", "gym.vector.make", "gymnasium.make_vec", "gymnasium.vector.make", "pettingzoo.",
    "stable_baselines3.", "stable_baselines.", "dm_control.suite.load", "torchrl.envs.", "procgen.", "minigrid.",
    "gym_super_mario_bros.make", "vizdoom.DoomGame", "unityagents.", "mlagents_envs.environment.", "ray.rllib.",
)  # fmt: skip


class ReinforcementLearning(ProgramRule):
    """
    ## What it does
    Refuses a program that learns by acting in an environment (Gym, Gymnasium, PettingZoo, dm_control, Stable-Baselines
    and others).

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
    VALID = ["env = make('train')\nenv.step(1)", "import gym\ndef unused():\n    return gym.make('CartPole-v1')"]
    INVALID = [
        Invalid("import gym\nenv = gym.make('CartPole-v1')\nenv.reset()"),
        Invalid("import gymnasium as gym\ndef main():\n    env = gym.make('CartPole-v1')\nmain()"),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Where the environment is made."""
        event = next(calls_of(facts, *ENVIRONMENTS), None)
        if event:
            yield cls.found(event.scope.file, event.node)
