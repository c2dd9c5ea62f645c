"""How a run can end otherwise than whole. Apart from `runs`, so that who only catches them loads neither Dagster nor dbt."""


class NothingToRun(ValueError):
    """There is no day to build; the message says why."""


class RunFailed(RuntimeError):
    """A step failed; the message names it and the first cause."""


class Mistake(ValueError):
    """What somebody wrote cannot be: a sentence for each mistake, with its file and, where there is one, its line. `code` is the command's exit code."""

    code = 2
