"""What differs between the frameworks' servers, as far as the tests use it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Dialect(NamedTuple):
    """One framework's server.

    Attributes:
        context_flag: limits prompt and answer together, in tokens.
        tensor_parallel_flag: over how many GPUs a model is split.
        served_name_flag: the name by which clients ask for the model.
        frugal_flags: let two servers share one GPU, and count requests.
        metrics_path: where Prometheus text is.
        requests, prompt_tokens, generation_tokens: counters; None where the server has none.
    """

    context_flag: str
    tensor_parallel_flag: str
    served_name_flag: str
    frugal_flags: tuple[str, ...]
    metrics_path: str
    requests: str
    prompt_tokens: str | None
    generation_tokens: str | None


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "vllm": Dialect(
            context_flag="--max-model-len",
            tensor_parallel_flag="--tensor-parallel-size",
            served_name_flag="--served-model-name",
            frugal_flags=("--gpu-memory-utilization", "0.3", "--max-model-len", "4096"),
            metrics_path="/metrics",
            requests="vllm:request_success_total",
            prompt_tokens="vllm:prompt_tokens_total",
            generation_tokens="vllm:generation_tokens_total",
        ),
        "sglang": Dialect(
            context_flag="--context-length",
            tensor_parallel_flag="--tp",
            served_name_flag="--served-model-name",
            frugal_flags=("--mem-fraction-static", "0.3", "--context-length", "4096", "--enable-metrics"),
            metrics_path="/metrics",
            requests="sglang:num_requests_total",
            prompt_tokens="sglang:prompt_tokens_total",
            generation_tokens="sglang:generation_tokens_total",
        ),
        "trtllm": Dialect(
            context_flag="--max_seq_len",
            tensor_parallel_flag="--tp_size",
            served_name_flag="--served_model_name",
            frugal_flags=(
                "--kv_cache_free_gpu_memory_fraction",
                "0.3",
                "--max_seq_len",
                "4096",
                "--extra_llm_api_options",
                "/opt/suite/suite_support/trtllm-options.yaml",
            ),
            metrics_path="/prometheus/metrics",
            requests="trtllm_request_success_total",
            prompt_tokens=None,
            generation_tokens=None,
        ),
    }
)
