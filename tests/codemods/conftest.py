"""Failed checks show what differs."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.codemods.tools")
