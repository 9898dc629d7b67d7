"""What the checks of the Python binding share: assertions that are counted, and the neighbours of a site."""
import numpy as np

passed = 0


def check(condition, what=""):
    global passed
    passed += 1
    assert condition, what


def raises(kind, word, function, *arguments, status=None, **named):
    try:
        function(*arguments, **named)
    except kind as error:
        check(word in str(error), f"{error!r} has no {word!r}")
        check(status is None or error.status is status, error)
    else:
        check(False, f"{function} did not raise {kind.__name__}")


def neighbours(phi):
    return sum(np.roll(phi, step, axis) for step in (1, -1) for axis in range(phi.ndim))
