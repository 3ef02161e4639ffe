"""The steps of a conversion, in order. Each turns the plan's decisions into small edits; none knows another."""

from __future__ import annotations

from codemods import (
    count_steps,
    evaluate_global_model,
    expose_arguments,
    extract_model,
    insert_flare_init,
    keep_received_weights,
    load_global_params,
    partition_data,
    per_site_outputs,
    rank_zero_exchange,
    rescale_schedulers,
    safe_checkpoint_load,
    send_params,
    wrap_in_is_running,
)

PIPELINE = (
    extract_model.step,
    expose_arguments.step,
    insert_flare_init.step,
    partition_data.step,
    wrap_in_is_running.step,
    load_global_params.step,
    evaluate_global_model.step,
    count_steps.step,
    keep_received_weights.step,
    rescale_schedulers.step,
    safe_checkpoint_load.step,
    per_site_outputs.step,
    rank_zero_exchange.step,
    send_params.step,
)
