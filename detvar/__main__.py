"""`python -m detvar` is the command `detvar`."""

import sys

from detvar.cli import main

sys.exit(main())
