"""Lets zig be the C compiler, linker and archiver of a target: zig.py cc|ar TARGET ARG...

Its callers, rustc and ring's build script, take it for another compiler. Changed here is what zig spells in another
way, what it knows better, and what its front end can't tell its linker.
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

# Machine, system (of Apple's the oldest) and ABI; and the least processor, where zig would take another.
TARGETS = {
    "x86_64-unknown-linux-musl": ["x86_64-linux-musl"],
    "aarch64-unknown-linux-musl": ["aarch64-linux-musl"],
    "armv7-unknown-linux-musleabihf": ["arm-linux-musleabihf", "-mcpu=generic+v7a+vfp3d16+thumb2"],
    "i686-unknown-linux-musl": ["x86-linux-musl", "-mcpu=pentium4"],
    "riscv64gc-unknown-linux-musl": ["riscv64-linux-musl"],
    "s390x-unknown-linux-musl": ["s390x-linux-musl"],
    "x86_64-apple-darwin": ["x86_64-macos.11.0-none"],
    "aarch64-apple-darwin": ["aarch64-macos.11.0-none"],
    "x86_64-unknown-freebsd": ["x86_64-freebsd"],
}

# What the callers say of the target, each with whether a value follows.
ABOUT_THE_TARGET = {"-arch": True, "-isysroot": True, "-m32": False, "-m64": False}
ABOUT_THE_TARGET_PREFIXES = ("--target=", "-march=", "-mabi=", "-mfpu=", "-Wl,-melf_", "-mmacosx-version-min=")

# What the linker did, by section and file.
MAP = "-Wl,-Map="

# No symbol of these is used, and zig has none of them.
UNUSED = {"-liconv"}


def main(program, target, *arguments):
    zig = Path(sysconfig.get_path("purelib"), "ziglang", "zig")
    if program == "ar":
        os.execv(zig, ["zig", "ar", *arguments])
    command = [zig, "cc", "-target", *TARGETS[target], *adapted(arguments)]
    if "-pie" in command:
        maps = [argument.removeprefix(MAP) for argument in arguments if argument.startswith(MAP)]
        return link(zig, command, [f"-Map={map}" for map in maps])
    os.execv(zig, command)


def adapted(arguments):
    arguments = iter(arguments)
    for argument in arguments:
        if argument in ABOUT_THE_TARGET:
            if ABOUT_THE_TARGET[argument]:
                next(arguments)
        elif argument in ("-static-pie", "-no-pie"):
            # zig's name for it; rustc's code is position-independent also where it would not link it so. Small is how
            # the C library is to be built.
            yield from ("-static", "-pie", "-Oz")
        elif argument not in UNUSED and not argument.startswith((*ABOUT_THE_TARGET_PREFIXES, MAP)):
            yield argument


def link(zig, command, options):
    """Links, and once more with options that only zig's linker knows."""
    first = subprocess.run([*command, "-v"], stderr=subprocess.PIPE, text=True)
    linker = [line.split() for line in first.stderr.splitlines() if line.startswith("ld.lld ")]
    if first.returncode != 0 or not linker:
        sys.stderr.write(first.stderr)
        return first.returncode
    command = [argument for argument in linker[-1] if argument != "--eh-frame-hdr"]
    # What the program is to hold besides: the list of its crates.
    if listed := os.environ.get("LISTED"):
        options.append(listed)
    # A position-independent program relocates itself: by a bit for each pointer, in place of three numbers.
    options += ["-z", "pack-relative-relocs"]
    # Functions of the same code are one.
    options += ["--icf=all", f"--script={Path(__file__).parent / 'layout.ld'}"]
    return subprocess.run([zig, *command, *options]).returncode



if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
