"""Looks at programs for Apple's systems, which can't run here, and joins them: macho.py check FILE | join TO FILE..."""

import hashlib
import struct
import sys
from pathlib import Path

MACHINES = {0x01000007: "x86_64", 0x0100000C: "arm64"}
# <mach-o/loader.h>, <mach-o/fat.h>, <kern/cs_blobs.h>
MH_MAGIC_64, FAT_MAGIC = 0xFEEDFACF, 0xCAFEBABE
MH_EXECUTE, MH_PIE = 2, 0x200000
LC_SYMTAB, LC_LOAD_DYLIB, LC_SEGMENT_64, LC_CODE_SIGNATURE, LC_BUILD_VERSION = 0x2, 0xC, 0x19, 0x1D, 0x32
# <mach-o/nlist.h>
N_EXT = 1
PLATFORM_MACOS = 1
CSMAGIC_EMBEDDED_SIGNATURE, CSMAGIC_CODEDIRECTORY, CS_ADHOC = 0xFADE0CC0, 0xFADE0C02, 0x2
VM_PROT_WRITE, VM_PROT_EXECUTE = 2, 4
# A slice begins on a page of either machine.
PAGE_BITS = 14

LIBRARIES = ["/usr/lib/libSystem.B.dylib"]
OLDEST = (11, 0)


def main(action, *files):
    if action == "join":
        join(Path(files[0]), [Path(file).read_bytes() for file in files[1:]])
    else:
        for file in files:
            for program in slices(Path(file).read_bytes()):
                check(program)


def join(to, programs):
    header, body = struct.pack(">II", FAT_MAGIC, len(programs)), b""
    start = 1 << PAGE_BITS
    for program in programs:
        machine, kind = struct.unpack_from("<II", program, 4)
        header += struct.pack(">5I", machine, kind, start + len(body), len(program), PAGE_BITS)
        body += program + bytes(-len(program) % (1 << PAGE_BITS))
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(header + bytes(start - len(header)) + body)
    to.chmod(0o755)


def slices(file):
    magic, count = struct.unpack_from(">II", file)
    if magic != FAT_MAGIC:
        return [file]
    entries = struct.iter_unpack(">5I", file[8 : 8 + 20 * count])
    return [file[offset : offset + size] for _, _, offset, size, _ in entries]


def check(program):
    magic, machine, _, kind, _, _, flags, _ = struct.unpack_from("<8I", program)
    expect(magic == MH_MAGIC_64 and kind == MH_EXECUTE, "it is not a program for Apple's systems")
    expect(flags & MH_PIE, "it is not position-independent")
    libraries, oldest, signature = [], None, None
    for command, at in commands(program):
        if command == LC_LOAD_DYLIB:
            name = at + struct.unpack_from("<I", program, at + 8)[0]
            libraries.append(program[name : program.index(b"\0", name)].decode())
        elif command == LC_SYMTAB:
            expect(not any(builders_symbols(program, at)), "it has symbols that only its builder needs")
        elif command == LC_BUILD_VERSION:
            platform, version = struct.unpack_from("<II", program, at + 8)
            expect(platform == PLATFORM_MACOS, "it is for another system than macOS")
            oldest = (version >> 16, version >> 8 & 0xFF)
        elif command == LC_SEGMENT_64:
            protection = struct.unpack_from("<I", program, at + 60)[0]
            expect(not (protection & VM_PROT_WRITE and protection & VM_PROT_EXECUTE), "a segment is writable code")
        elif command == LC_CODE_SIGNATURE:
            signature = struct.unpack_from("<II", program, at + 8)
    expect(libraries == LIBRARIES, f"it needs other libraries: {libraries}")
    expect(oldest == OLDEST, f"the oldest system is {oldest}")
    signed = "not signed"
    # Apple's kernel runs no unsigned code on ARM.
    if signature or MACHINES[machine] == "arm64":
        expect(signature, "it is not signed")
        signed = f"signed ad hoc, with {check_signature(program, *signature)} pages that are what was signed"
    print(
        f"{MACHINES[machine]}: position-independent, for macOS {oldest[0]}.{oldest[1]} and later, needs libSystem alone,"
        f" stripped, {signed}; run: no, this is no Apple system"
    )


def builders_symbols(program, at):
    """The symbols that no other program looks for, but for those by which zig's linker reaches far functions."""
    symbols, count, strings = struct.unpack_from("<3I", program, at + 8)
    for name, kind in struct.iter_unpack("<IB11x", program[symbols : symbols + 16 * count]):
        name = program[strings + name : program.index(b"\0", strings + name)]
        if not (kind & N_EXT or name.endswith(b"__thunk")):
            yield name


def commands(program):
    count = struct.unpack_from("<I", program, 16)[0]
    at = 32
    for _ in range(count):
        command, size = struct.unpack_from("<II", program, at)
        yield command, at
        at += size


def check_signature(program, start, size):
    """Compares the hash of each page with the signature's; the kernel does so when it loads a page."""
    magic, _, count = struct.unpack_from(">III", program, start)
    expect(magic == CSMAGIC_EMBEDDED_SIGNATURE, "its signature can't be read")
    for _, offset in struct.iter_unpack(">II", program[start + 12 : start + 12 + 8 * count]):
        at = start + offset
        if struct.unpack_from(">I", program, at)[0] == CSMAGIC_CODEDIRECTORY:
            break
    else:
        expect(False, "its signature has no list of pages")
    flags, hashes, _, _, pages, limit = struct.unpack_from(">6I", program, at + 12)
    hash_size, _, _, page_bits = struct.unpack_from("4B", program, at + 36)
    expect(flags & CS_ADHOC, "it is signed by someone")
    expect(limit == start, "its signature leaves something out")
    for page in range(pages):
        content = program[page << page_bits : min((page + 1) << page_bits, limit)]
        signed = program[at + hashes + page * hash_size :][:hash_size]
        expect(hashlib.sha256(content).digest() == signed, f"page {page} is not what was signed")
    return pages


def expect(holds, otherwise):
    if not holds:
        sys.exit(otherwise)


if __name__ == "__main__":
    main(*sys.argv[1:])
