# SPDX-License-Identifier: Apache-2.0
# The compiled extension; the typed surface is the package around it.
from typing import Any

def __getattr__(name: str) -> Any: ...
