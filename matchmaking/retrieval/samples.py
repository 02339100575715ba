"""Short texts from many industries: what a list's texts have in common before it has any.

Our own: demands say what is needed, achievements what was reached, both with figures. No listing
is made of them, and they are written for no set that the engine is measured on.
"""

import json
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def sample_texts() -> dict[str, dict[str, list[str]]]:
    """Return texts by side ("demand", "achievement") and language ("zh", "en")."""
    path = Path(__file__).with_name("samples.json")
    texts: dict[str, dict[str, list[str]]] = json.loads(path.read_text(encoding="utf-8"))
    return texts
