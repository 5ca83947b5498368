"""`python -m llmsdk.cli`: the command `llmsdk`."""

import sys

from . import main

sys.exit(main())
