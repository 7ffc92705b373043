"""What differs between the imitated servers: their flags, metric names and routes."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class MetricNames:
    """Names of the counters and of the gauge of running requests; None where the imitated server has none."""

    requests: str
    running: str | None = None
    prompt_tokens: str | None = None
    generation_tokens: str | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """One imitated server.

    `ignored_flags` exist there and mean nothing here; the number is how many values each takes.
    """

    name: str
    model_flags: tuple[str, ...]
    tensor_parallel_flags: tuple[str, ...]
    context_length_flags: tuple[str, ...]
    served_name_flags: tuple[str, ...]
    metrics: MetricNames
    metrics_paths: tuple[str, ...] = ("/metrics",)
    info_paths: tuple[str, ...] = ()
    ignored_flags: tuple[tuple[str, int], ...] = ()

    @property
    def tensor_parallel_name(self) -> str:
        """The argument's name in the imitated server's log, for example `tensor_parallel_size`."""
        return _identifier(self.tensor_parallel_flags[0])

    @property
    def context_length_name(self) -> str:
        """The argument's name in the imitated server's log, for example `max_model_len`."""
        return _identifier(self.context_length_flags[0])


def _identifier(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


_VLLM = Dialect(
    name="vllm",
    model_flags=("--model",),
    tensor_parallel_flags=("--tensor-parallel-size", "-tp"),
    context_length_flags=("--max-model-len",),
    served_name_flags=("--served-model-name",),
    metrics=MetricNames(
        requests="vllm:request_success_total",
        running="vllm:num_requests_running",
        prompt_tokens="vllm:prompt_tokens_total",
        generation_tokens="vllm:generation_tokens_total",
    ),
    ignored_flags=(
        ("--gpu-memory-utilization", 1),
        ("--dtype", 1),
        ("--max-num-seqs", 1),
        ("--enforce-eager", 0),
    ),
)

_SGLANG = Dialect(
    name="sglang",
    model_flags=("--model-path", "--model"),
    tensor_parallel_flags=("--tp-size", "--tp", "--tensor-parallel-size"),
    context_length_flags=("--context-length",),
    served_name_flags=("--served-model-name",),
    metrics=MetricNames(
        requests="sglang:num_requests_total",
        running="sglang:num_running_reqs",
        prompt_tokens="sglang:prompt_tokens_total",
        generation_tokens="sglang:generation_tokens_total",
    ),
    info_paths=("/server_info", "/get_server_info"),
    ignored_flags=(
        ("--mem-fraction-static", 1),
        ("--dtype", 1),
        ("--enable-metrics", 0),
        ("--disable-cuda-graph", 0),
    ),
)

_TRTLLM = Dialect(
    name="trtllm",
    model_flags=("--model",),
    tensor_parallel_flags=("--tp_size",),
    context_length_flags=("--max_seq_len",),
    served_name_flags=("--served_model_name",),
    metrics=MetricNames(requests="trtllm_request_success_total"),
    metrics_paths=("/prometheus/metrics", "/metrics"),
    ignored_flags=(
        ("--backend", 1),
        ("--max_batch_size", 1),
        ("--kv_cache_free_gpu_memory_fraction", 1),
        ("--extra_llm_api_options", 1),
    ),
)

DIALECTS: MappingProxyType[str, Dialect] = MappingProxyType(
    {each.name: each for each in (_VLLM, _SGLANG, _TRTLLM)}
)
