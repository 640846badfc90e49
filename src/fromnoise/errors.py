"""The one exception that is meant for a person to read."""


class UserError(Exception):
    """Something the user can put right.

    The message is one line that says what is wrong and what to do. The command line prints it
    without a traceback and exits with code 2.
    """
