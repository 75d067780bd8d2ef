"""Floor 5: the commands, a file or a folder each, to be run as ``python -m experiments.NAME``.

Until a command has been imported, Ctrl-C ends the process at once, without the traceback of an
import; `jaxdl.runs.commands.exiting_on_error` makes it a KeyboardInterrupt again.
"""

import signal
import sys

if sys.argv[0] == "-m":  # which it is while Python looks for the module of a command
    signal.signal(signal.SIGINT, signal.SIG_DFL)
