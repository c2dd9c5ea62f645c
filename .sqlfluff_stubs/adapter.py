"""What sqlfluff's own Jinja puts in place of dbt's `adapter`: every dispatched macro is its first argument."""


def dispatch(name, package=None):
    return lambda *arguments: arguments[0] if arguments else name


def get_relation(**names):
    return None


def quote(name):
    return f'"{name}"'
