"""`python3 -m nightly_mock_engine` is `mock-engine`."""

from __future__ import annotations

import sys

from nightly_mock_engine.cli import main

sys.exit(main())
