"""What training keeps beside the model stays at its site, snapshots of the model among it; where it could not be looked
for, that is said."""

from __future__ import annotations

from collections.abc import Iterator

from engine.facts import Facts
from engine.facts.kept_weights import snapshots
from engine.plan.decision import Decision


def decide_local_state(facts: Facts) -> Iterator[Decision]:
    """The judgement on state that training changes and uses, and that no ``state_dict`` carries, and on snapshots."""
    local = [state.name for state in facts.local_state if not state.measures]
    if local:
        names = " and ".join(dict.fromkeys(local))
        yield Decision(
            "state beside the model",
            f"each site goes on with its own {names}: training changes and uses it, and no state_dict carries it",
            "make it a buffer of the model (self.register_buffer), to have it sent and averaged",
        )
    kept = list(dict.fromkeys(name for name, _ in snapshots(facts)))
    if kept:
        yield Decision(
            "snapshots",
            f"each site has its own snapshots in {' and '.join(kept)}, of its weights before the server averages them: "
            "what the script makes of them after the last round is no part of the job's model",
            "add the received weights in client.py, to keep the global models of the rounds",
        )
    if facts.local_state_limit:
        yield Decision(
            "state beside the model",
            f"what else an epoch leaves to the next beside the model was not looked for: {facts.local_state_limit}",
            "look for tensors, lists and objects that training changes and uses; make them buffers of the model",
        )
