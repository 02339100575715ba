"""Texts that people type: what is tidied silently, and what is refused with a sentence.

Every form of every app uses these, so that the same text is accepted or refused everywhere.
"""

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

# They reorder or hide what is shown: “gnp.exe” can be made to read “exe.png”. Names in which they
# stand pass as other names. (LRM, RLM, ALM, embeddings, overrides, isolates.)
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# Zero-width characters, byte order mark, soft hyphen, and the fillers that look like nothing.
_INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200d\u2060-\u2064\u3164\ufeff\uffa0"
)
# Unicode's tag characters and its line and paragraph separators.
_RARE = "\u2028\u2029\ufff9-\ufffb\U000e0000-\U000e007f"

_HIDDEN = re.compile(f"[{_BIDI}{_INVISIBLE}{_RARE}]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SPACES = re.compile(r"[ \t\u00a0\u2000-\u200a\u202f\u205f\u3000]+")
_MANY_LINES = re.compile(r"\n{3,}")
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")


def clean_line(value: str) -> str:
    """Return a text of one line: composed (NFC), trimmed, with single spaces.

    Raises `ValidationError` for characters that cannot be seen: in a name they are either an
    accident of copying, which the person should know of, or an attempt to pass as somebody else.
    """
    value = unicodedata.normalize("NFC", value).strip()
    # A tab or a line end between words comes from a table cell; a space says the same.
    value = re.sub(r"[\t\r\n]+", " ", value)
    hidden = _CONTROL.search(value) or _HIDDEN.search(value)
    if hidden:
        raise ValidationError(
            _(
                "There is an invisible character (%(code)s) at position %(position)d. "
                "Please delete it or type the text again."
            )
            % {"code": f"U+{ord(hidden[0]):04X}", "position": hidden.start() + 1},
            code="invisible",
        )
    return _SPACES.sub(" ", value)


def clean_text(value: str) -> str:
    """Return a text of many lines: composed (NFC), with \\n as its only line end.

    Control characters, and characters that reorder or hide text, are dropped: they come along
    when people copy from Word or PDF, and nothing that could be read is lost with them.
    """
    value = _LINE_ENDS.sub("\n", unicodedata.normalize("NFC", value))
    value = re.sub(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]", "", value)
    value = _HIDDEN.sub("", value)
    value = "\n".join(line.rstrip() for line in value.split("\n"))
    return _MANY_LINES.sub("\n\n", value).strip()
