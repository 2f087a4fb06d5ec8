"""Words after numbers."""


def plural(count: int, one: str, many: str = "") -> str:
    """What follows a number in a sentence.

    Parameters
    ----------
    one : what follows 1, such as "class has"
    many : what follows other numbers, such as "classes have"; if absent `one` with an s
    """
    return one if count == 1 else many or f"{one}s"
