"""`python -m tools.story [--check]`: write the story, or say whether the committed one is what would be written."""

import sys

from tools.story.build import main

if __name__ == "__main__":
    sys.exit(main())
