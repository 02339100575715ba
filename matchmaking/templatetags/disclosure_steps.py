"""The table of the help page that says who gets what at which step."""

from __future__ import annotations

from django import template

from matchmaking.disclosure_steps import STEPS, Reader, Step

register = template.Library()


@register.simple_tag
def disclosure_steps() -> tuple[list[Reader], tuple[Step, ...]]:
    """Return the readers, which are the columns, and the steps, which are the rows."""
    return list(Reader), STEPS
