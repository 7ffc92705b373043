"""How one server was started."""

from __future__ import annotations

from dataclasses import dataclass

from nightly_mock_engine.dialects import Dialect


@dataclass(frozen=True)
class EngineConfig:
    """What the command line said. Lengths are in tokens, delays and timeouts in seconds, sizes in bytes."""

    dialect: Dialect
    model: str
    served_model_name: str
    host: str = "0.0.0.0"  # noqa: S104 - a server in a container is reached from outside it
    port: int = 8000
    tensor_parallel: int = 1
    max_model_len: int = 4096
    token_delay: float = 0.0005
    startup_delay: float = 0.0
    shutdown_timeout: float = 30.0
    max_body_bytes: int = 1_048_576

    def arguments(self) -> dict[str, object]:
        """Return the arguments under the names the imitated server gives them, as it logs them at start."""
        return {
            "model": self.model,
            "served_model_name": self.served_model_name,
            self.dialect.tensor_parallel_name: self.tensor_parallel,
            self.dialect.context_length_name: self.max_model_len,
        }
