"""Keeps of the links in Markdown files those that work where the files now are, and of the others the text:
links.py FILE..."""

import re
import sys
from pathlib import Path

LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:|#)([^)#]*)(#[^)]*)?\)")


def main(*files):
    for file in map(Path, files):

        def rewrite(link):
            return link[0] if Path(file.parent, link[2]).exists() else link[1]

        file.write_text(LINK.sub(rewrite, file.read_text()))


if __name__ == "__main__":
    main(*sys.argv[1:])
