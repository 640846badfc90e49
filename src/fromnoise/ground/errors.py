"""The one exception that is meant for a person to read."""

import re
import unicodedata

MOST_WORD = 1000  # signs of a word that is quoted whole: a path may be long, and a name of 100,000 fills the screen


class UserError(Exception):
    """Something the user can put right.

    The message is one line that says what is wrong and what to do. The command line prints it
    without a traceback and exits with code 2; the studio answers with it.

    Args:
        message: the line, a whole sentence without the advice. What would not be one line to read is made one, and of a
            word of 1000 signs or more both ends are shown.
        field: which field of a request it is about ("steps", "width", ...), where it is about one.
        advice: how the sentence goes on at the command line, where it names options (" (--mask beside --image)").

    Attributes:
        message: the line without the advice, for those who have no options to give; ``str`` has both.
        field, advice: as given.
    """

    def __init__(self, message: str, field: str | None = None, *, advice: str = "") -> None:
        if not message.isprintable():  # it quotes what stands in files of others
            message = one_line(message)
        if len(message) >= MOST_WORD:
            message = shortened(message)
        super().__init__(message + advice)
        self.message, self.field, self.advice = message, field, advice

    def behind(self, words: str, field: str | None) -> "UserError":
        """The same with other words before it, about a field by another name."""
        return UserError(f"{words}{self.message}", field, advice=self.advice)


def missing_packages(what: str, extra: str) -> UserError:
    """The error for a feature whose packages are an extra of fromnoise that is not installed."""
    return UserError(f"{what}: pip install 'fromnoise[{extra}]' (in a clone: pip install -e '.[{extra}]')")


def one_line(message: str) -> str:
    """A message that may quote what stands in files of others: on one line, no control characters."""
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(message.split()))


def shortened(message: str) -> str:
    """A message of whose very long words only both ends are left."""
    return re.sub(rf"\S{{{MOST_WORD},}}", lambda word: f"{word[0][:80]}…{word[0][-20:]}", message)


def quoted(name: str, most: int = 80) -> str:
    """A name that somebody else chose, in quotes that it cannot close: every sign in it that looks like a quote is
    written as its code, and so is a backslash.

    >>> quoted('Museum", whom you know')
    '"Museum\\u0022, whom you know"'

    Args:
        name: any text.
        most: signs that are shown of it.
    """
    shown = one_line(name[: 4 * most])
    text = "".join(f"\\u{ord(sign):04x}" if _like_a_quote(sign) else sign for sign in shown[:most])
    return f'"{text}{"…" if len(shown) > most or len(name) > 4 * most else ""}"'


def _like_a_quote(sign: str) -> bool:
    name = unicodedata.name(sign, "")
    return sign in '"\\`' or any(words in name for words in ("QUOTATION", "PRIME", "APOSTROPHE", "ACCENT", "DITTO"))
