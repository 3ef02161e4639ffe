"""One FLARE site without network: the converted script on a thread, as FLARE runs it, answering one task at a time.

FLARE's own classes do the work: `InProcessClientAPI` converts, caches and sends, `TaskScriptRunner` runs the script.
What is added is only watching. FLARE's executor reads what was sent up to half a second after `send` returned; here the
payload is kept and looked at again after the next task, so that one which is not a copy shows.
"""

from __future__ import annotations

import math
import queue
import threading
import traceback
from pathlib import Path
from typing import Any

import numpy
import torch
from nvflare.apis.fl_constant import FLMetaKey
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.fl_model import FLModel
from nvflare.app_common.app_constant import AlgorithmConstants, AppConstants
from nvflare.app_common.executors.task_script_runner import TaskScriptRunner
from nvflare.app_common.utils.fl_model_utils import FLModelUtils
from nvflare.client.api_spec import CLIENT_API_KEY
from nvflare.client.config import ConfigKey, ExchangeFormat, TransferType
from nvflare.client.in_process.api import TOPIC_GLOBAL_RESULT, TOPIC_LOCAL_RESULT, TOPIC_STOP, InProcessClientAPI
from nvflare.fuel.data_event.data_bus import DataBus
from nvflare.fuel.data_event.event_manager import EventManager

from engine.verify.arrays import ArrayRecorder
from engine.verify.recorder import Recorder, TrainingMode, digests, plain_name, random_streams, seed_everything

POLL_SECONDS = 0.002
"""How often a waiting client looks for its next task; FLARE's 0.5 s would be most of the run time."""


class WatchedClientAPI(InProcessClientAPI):
    """FLARE's in-process client API, which also notes how the script uses it.

    Attributes:
        received_streams: digest of the random streams when the current task was first received.
        complaints: what about the current answer FLARE would drop or stumble over.
        sent: an item for every `send` that went through.
    """

    def __init__(self, task_metadata: dict[str, Any], kind: type) -> None:
        super().__init__(task_metadata, result_check_interval=POLL_SECONDS)
        self._kind = kind
        self.received_streams: dict[str, str] | None = None
        self.complaints: list[str] = []
        self.sent: queue.Queue[str] = queue.Queue()
        self._answered: FLModel | None = None

    def is_running(self) -> bool:
        """FLARE's `is_running`, refusing the next round to a script that has not sent this one's result."""
        if self.receive_called:
            raise RuntimeError("the script asks for its next task without having sent the result of this one")
        return super().is_running()

    def receive(self, timeout: float | None = None) -> FLModel | None:
        """FLARE's `receive`, noting the random streams."""
        model = super().receive(timeout)
        if model is not None and self.received_streams is None:
            self.received_streams = random_streams()
        return model

    def send(self, model: FLModel, clear_cache: bool = True) -> None:
        """FLARE's `send`, noting what of the payload FLARE cannot carry, refusing a second one for the same task."""
        if self.fl_model is not None and self.fl_model is self._answered:
            raise RuntimeError("the script sends a second result for the same task")
        self.complaints = payload_complaints(model, self._kind)
        self._answered = self.fl_model
        super().send(model, clear_cache)
        self.sent.put("sent")


def payload_complaints(model: FLModel, kind: type = torch.Tensor) -> list[str]:
    """What FLARE would drop, refuse or misread in a payload.

    Args:
        model: what the script is about to send.
        kind: what FLARE exchanges: tensors, or arrays for a model in NumPy.

    Returns:
        One sentence per complaint.
    """
    complaints = []
    for name, value in (model.params or {}).items():
        if not isinstance(value, kind):
            wanted = "tensor" if kind is torch.Tensor else "array"
            complaints.append(f"{name} is sent as {type(value).__name__}; FLARE drops what is no {wanted}")
        elif kind is not torch.Tensor:
            continue
        elif value.device.type != "cpu":
            complaints.append(f"{name} is sent from {value.device}; it must be on the CPU")
        elif not value.is_contiguous():
            complaints.append(f"{name} is not contiguous; FLARE's tensor exchange does not accept that")
        if name != plain_name(name):
            complaints.append(f"{name} carries the prefix of a wrapper")
    for name, value in (model.metrics or {}).items():
        if type(value) not in (int, float):
            complaints.append(f"metric {name} is {type(value).__name__}; FLARE needs a plain number")
        elif not math.isfinite(value):
            complaints.append(f"metric {name} is {value}, not a finite number")
    return complaints


class Site:
    """The converted script of one site.

    Args:
        script: the converted client.
        arguments: its command line arguments.
        name: name of the site, such as ``site-1``.
        exchange_format: ``numpy`` or ``pytorch``: what the server keeps.
        seed: for the global random streams.
        recorder: sees the optimizer steps.
    """

    def __init__(
        self, script: Path, arguments: tuple[str, ...], name: str, exchange_format: str, seed: int,
        recorder: Recorder | ArrayRecorder,
    ) -> None:  # fmt: skip
        self._name, self._exchange_format, self._recorder = name, exchange_format, recorder
        in_numpy = isinstance(recorder, ArrayRecorder)
        self._client_format = ExchangeFormat.NUMPY if in_numpy else ExchangeFormat.PYTORCH
        self._results: queue.Queue[Shareable] = queue.Queue()
        self._error: str | None = None
        self._held: tuple[dict[str, Any], dict[str, str]] = ({}, {})
        self._mode = TrainingMode()
        bus = DataBus()
        self._events = EventManager(bus)
        self._api = WatchedClientAPI(self._task_metadata(None), numpy.ndarray if in_numpy else torch.Tensor)
        self._api.init()
        bus.put_data(CLIENT_API_KEY, self._api)
        bus.subscribe([TOPIC_LOCAL_RESULT], lambda topic, result, bus: self._results.put(result))
        runner = TaskScriptRunner(str(script.parent), str(script), " ".join(arguments), redirect_print_to_log=False)
        self._thread = threading.Thread(
            target=self._run, args=(runner, seed), name="client_api_in_process_trainer", daemon=True
        )
        self._thread.start()

    def _run(self, runner: TaskScriptRunner, seed: int) -> None:
        seed_everything(seed)
        try:
            runner.run()
        except SystemExit as stop:
            self._error = f"the script left by sys.exit({stop.code!r})" if stop.code else None
        except BaseException:
            self._error = traceback.format_exc()
        finally:
            self._api.sent.put("ended")

    def answer(self, task: dict[str, Any]) -> dict[str, Any]:
        """Hand one task to the script and wait for its answer.

        Args:
            task: ``name``, ``params`` (None for submit_model), ``round``, ``rounds``, ``meta`` and ``fail_at``; with
                ``seed`` the random streams are seeded anew before it.

        Returns:
            ``error``, or ``params``, ``metrics``, ``claimed_steps`` and what was seen of the way there.
        """
        self._api.set_meta(self._task_metadata(task["name"]))
        self._api.received_streams, self._api.complaints = None, []
        self._recorder.restart(task["params"] or (), task.get("fail_at", 0))
        if "seed" in task:
            seed_everything(task["seed"])
        if task["name"] == AppConstants.TASK_VALIDATION:
            self._mode.begin()
        self._events.fire_event(TOPIC_GLOBAL_RESULT, self._shareable(task))
        if self._api.sent.get() == "ended":
            self._api.sent.put("ended")
            return {"error": self._error or "the script ended without sending the result of this task"}
        return self._report(FLModelUtils.from_shareable(self._results.get()))

    def end(self) -> dict[str, Any]:
        """Tell the script that the job is over and wait for its end.

        Returns:
            ``error``, and ``changed_after_send``: names of the tensors of the last payload that changed since.
        """
        self._events.fire_event(TOPIC_STOP, "the job has ended")
        self._thread.join()
        return {"error": self._error, "changed_after_send": self._changed_after_send()}

    def _report(self, model: FLModel) -> dict[str, Any]:
        changed = self._changed_after_send()
        if model.params:
            self._held = (model.params, digests(model.params))
        return {
            "error": None,
            "params": model.params,
            "metrics": model.metrics,
            "claimed_steps": (model.meta or {}).get(FLMetaKey.NUM_STEPS_CURRENT_ROUND),
            "controls": (model.meta or {}).get(AlgorithmConstants.SCAFFOLD_CTRL_DIFF) or {},
            "complaints": self._api.complaints,
            "changed_after_send": changed,
            "received_streams": self._api.received_streams,
            "steps": self._recorder.steps,
            "counts": dict(self._recorder.counts),
            "first": self._recorder.first,
            "parameters": self._recorder.parameters(),
            "in_training_mode": self._mode.end(),
        }

    def _changed_after_send(self) -> list[str]:
        params, before = self._held
        after = digests(params)
        return [name for name in before if after[name] != before[name]]

    def _shareable(self, task: dict[str, Any]) -> Shareable:
        if task["params"] is None:
            shareable = Shareable()
            shareable.set_header(AppConstants.SUBMIT_MODEL_NAME, "best_model")
        else:
            is_training = task["name"] == AppConstants.TASK_TRAIN
            rounds = {"current_round": task["round"], "total_rounds": task["rounds"]} if is_training else {}
            params = task["params"]
            if self._client_format == ExchangeFormat.NUMPY:
                params = {name: numpy.asarray(value) for name, value in params.items()}
            shareable = FLModelUtils.to_shareable(FLModel(params=params, meta=task.get("meta"), **rounds))
        shareable.set_header(FLMetaKey.JOB_ID, "verify")
        shareable.set_header(FLMetaKey.SITE_NAME, self._name)
        return shareable

    def _task_metadata(self, task_name: str | None) -> dict[str, Any]:
        """What FLARE's in-process backend tells the client API about a task."""
        return {
            FLMetaKey.SITE_NAME: self._name,
            FLMetaKey.JOB_ID: "verify",
            ConfigKey.TASK_NAME: task_name,
            ConfigKey.TASK_EXCHANGE: {
                ConfigKey.TRAIN_WITH_EVAL: True,
                ConfigKey.EXCHANGE_FORMAT: self._client_format,
                ConfigKey.SERVER_EXPECTED_FORMAT: ExchangeFormat(self._exchange_format),
                ConfigKey.TRANSFER_TYPE: TransferType.FULL,
                ConfigKey.TRAIN_TASK_NAME: AppConstants.TASK_TRAIN,
                ConfigKey.EVAL_TASK_NAME: AppConstants.TASK_VALIDATION,
                ConfigKey.SUBMIT_MODEL_TASK_NAME: AppConstants.TASK_SUBMIT_MODEL,
            },
        }
