"""What training keeps beside the model stays at its site; where it could not be looked for, that is said."""

from __future__ import annotations

from collections.abc import Iterator

from engine.facts import Facts
from engine.plan.decision import Decision


def decide_local_state(facts: Facts) -> Iterator[Decision]:
    """The judgement on state that training changes and uses, and that no ``state_dict`` carries."""
    local = [state.name for state in facts.local_state if not state.measures]
    if local:
        names = " and ".join(dict.fromkeys(local))
        yield Decision(
            "state beside the model",
            f"each site goes on with its own {names}: training changes and uses it, and no state_dict carries it",
            "make it a buffer of the model (self.register_buffer), to have it sent and averaged",
        )
    if facts.local_state_limit:
        yield Decision(
            "state beside the model",
            f"what else an epoch leaves to the next beside the model was not looked for: {facts.local_state_limit}",
            "look for tensors, lists and objects that training changes and uses; make them buffers of the model",
        )
