"""What every reader of files raises."""


class UnreadableFile(Exception):
    """The file cannot be read as a table; the text says why and what to do, for people."""
