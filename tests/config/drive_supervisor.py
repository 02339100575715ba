"""A program for test_supervisor.py: the real supervisor with a small Procfile instead of KeQiao.

python -m tests.config.drive_supervisor VAR PROCFILE
"""

import sys
from pathlib import Path

from config.supervisor import Supervisor

if __name__ == "__main__":
    var, procfile = map(Path, sys.argv[1:])
    prepare = (sys.executable, "-c", "print('prepared')")
    sys.exit(Supervisor(var=var, procfile=procfile, preparation=prepare).run())
