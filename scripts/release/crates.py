"""Adds up by crate what lld's map of a program lists: crates.py MAP

A function of the standard library that was made for the types of another crate counts as that crate's. What the compiler
has given no name, which is strings and tables above all, is "Rust without a name".
"""

import re
import sys
from collections import Counter
from pathlib import Path

# A section of the program, and a part of it from a file: address twice, size, alignment, name.
LINE = re.compile(r"\s*[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+( +)(\S.*)")
PART = re.compile(r"(?P<file>.*):\((?P<section>.*)\)")
# Rust's names of symbols: each crate as C, a number to tell it from others, and the length of its name.
CRATE = re.compile(r"C(?:s[0-9A-Za-z]*_)?(\d+)_?([a-z]\w*)")
STANDARD = {"core", "alloc", "std", "compiler_builtins"}
# Take no room in the file.
EMPTY = (".bss", ".tbss", "COMMON")


def main(map):
    sizes = Counter()
    for line in Path(map).read_text().splitlines()[1:]:
        found = LINE.fullmatch(line)
        part = found and PART.fullmatch(found[3])
        if part and not part["section"].startswith(EMPTY):
            sizes[owner(part["file"], part["section"])] += int(found[1], 16)
    for name, size in sizes.most_common():
        print(f"{size:9,}  {name}")


def owner(file, section):
    if file == "<internal>":
        return "joined constants, and what the linker adds"
    if file.endswith(".rcgu.o"):
        crates = [name[: int(length)] for length, name in CRATE.findall(section)] or ["Rust without a name"]
        return next((crate for crate in crates if crate not in STANDARD), "std, core and alloc")
    library = re.search(r"lib([^/]*?)(?:-[0-9a-f]{16})?\.(?:rlib|a)\b", file)
    name = library[1] if library else Path(file).name
    return {"ring": "ring: C and assembly", "c": "musl", "zigc": "musl"}.get(name, name)


if __name__ == "__main__":
    main(*sys.argv[1:])
