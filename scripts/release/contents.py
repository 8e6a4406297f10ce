"""What is linked into the program for a target: its licence notices, its list in the form of CycloneDX, or that list in the
form of cargo-auditable, which is for the program itself; and how many crates such a list in a program names:
contents.py notices|sbom|auditable TARGET, contents.py listed PROGRAM OFFSET LENGTH"""

import json
import os
import re
import subprocess
import sys
import zlib
from datetime import datetime, timezone
from pathlib import Path

LICENCE_FILES = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")
SEPARATOR = "-" * 80


def main(what, target, *place):
    if what == "listed":
        print(listed(Path(target), *place))
        return
    # A universal program holds the same crates as either of its halves.
    target = target.replace("universal-", "aarch64-")
    root, crates, tables = linked(target)
    if what == "auditable":
        sys.stdout.buffer.write(zlib.compress(auditable(root, crates).encode(), 9))
        return
    print(notices(target, crates, tables) if what == "notices" else sbom(target, root, crates), end="")


def linked(target):
    """The package itself, all that ends up in its program (no build script, no procedural macro), and what some tables of
    its own are made from."""
    metadata = json.loads(run("cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={target}"))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    found, waiting = {}, [root]
    while waiting:
        id = waiting.pop()
        kinds = {kind for part in packages[id]["targets"] for kind in part["kind"]}
        if id in found or "proc-macro" in kinds:
            continue
        found[id] = packages[id]
        normal = [
            dependency["pkg"]
            for dependency in nodes[id]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
        ]
        packages[id]["linked"] = normal
        waiting += normal
    del found[root]
    crates = dict(sorted(found.items(), key=lambda item: (item[1]["name"], item[1]["version"])))
    tables = next(package for package in packages.values() if package["name"] == "unicode-normalization")
    return packages[root], crates, tables


def notices(target, crates, tables):
    text = (
        "heimdall is under the Apache License 2.0, which is in LICENSE. Its program holds the following, under their own\n"
        "licences; where one of them is the Apache License 2.0, its text is that of LICENSE.\n"
    )
    seen = {}
    for crate in crates.values():
        text += part(f"{crate['name']} {crate['version']}", crate["license"], Path(crate["manifest_path"]).parent, seen)
    made_from = f"The tables for SASLprep, made from those of {tables['name']} {tables['version']}"
    text += part(made_from, tables["license"], Path(tables["manifest_path"]).parent, seen)
    text += part(f"Rust's standard library {rust_version()}", "MIT OR Apache-2.0", None, seen)
    if "-linux-" in target:
        zig = zig_folder()
        text += part("musl, the C library", "MIT", zig / "lib/libc/musl", seen)
        text += part("zig's compiler-rt", "MIT", zig, seen)
    return text


def part(name, licence, folder, seen):
    text = f"\n{SEPARATOR}\n{name}: {licence.replace('/', ' OR ')}\n"
    files = sorted(folder.iterdir()) if folder else []
    for file in files:
        if not file.name.upper().startswith(LICENCE_FILES) or not file.is_file():
            continue
        content = file.read_text(errors="replace").strip()
        same = " ".join(content.split())
        if "Apache License Version 2.0" in same[:200]:
            continue
        if same in seen:
            text += f"\n{file.name}: as of {seen[same]}\n"
        else:
            seen[same] = f"{name} ({file.name})"
            text += f"\n{file.name}:\n\n{content}\n"
    return text


def sbom(target, root, crates):
    lock = Path("Cargo.lock").read_text()
    entry = r'name = "([^"]+)"\nversion = "([^"]+)"\nsource = "[^"]+"\nchecksum = "([0-9a-f]+)"'
    checksums = {(name, version): checksum for name, version, checksum in re.findall(entry, lock)}
    date = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", 0)), timezone.utc)
    components = [library(crate, checksums) for crate in crates.values()]
    components.append({"type": "library", "bom-ref": "std", "name": "std", "version": rust_version()})
    if "-linux-" in target:
        components += [c_library("musl", musl_version()), c_library("compiler-rt", zig_version())]
    names = {crate["id"]: reference(crate) for crate in [root, *crates.values()]}
    dependencies = [
        {"ref": names[crate["id"]], "dependsOn": sorted({names[id] for id in crate["linked"] if id in names})}
        for crate in [root, *crates.values()]
    ]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": date.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": reference(root),
                "name": "heimdall",
                "version": root["version"],
                "description": root["description"],
                "licenses": [{"expression": root["license"]}],
                "properties": [{"name": "target", "value": target}],
            },
        },
        "components": components,
        "dependencies": dependencies,
    }
    return json.dumps(document, indent=1) + "\n"


def auditable(root, crates):
    packages = sorted([root, *crates.values()], key=lambda package: (package["name"], package["version"]))
    places = {package["id"]: place for place, package in enumerate(packages)}
    return json.dumps({"packages": [entry(package, root, places) for package in packages]}, separators=(",", ":"))


def entry(package, root, places):
    # An index's address ends with the name that the format knows it by.
    source = (package["source"] or "local").split("/")[-1].removesuffix("-index")
    entry = {"name": package["name"], "version": package["version"], "source": source}
    dependencies = sorted(places[id] for id in package["linked"] if id in places)
    if dependencies:
        entry["dependencies"] = dependencies
    if package is root:
        entry["root"] = True
    return entry


def listed(program, offset, length):
    offset, length = int(offset, 16), int(length, 16)
    return len(json.loads(zlib.decompress(program.read_bytes()[offset : offset + length]))["packages"])


def library(crate, checksums):
    return {
        "type": "library",
        "bom-ref": reference(crate),
        "name": crate["name"],
        "version": crate["version"],
        "licenses": [{"expression": crate["license"].replace("/", " OR ")}],
        "hashes": [{"alg": "SHA-256", "content": checksums[crate["name"], crate["version"]]}],
        "purl": reference(crate),
    }


def c_library(name, version):
    """A part of zig, which comes with it."""
    return {"type": "library", "bom-ref": name, "name": name, "version": version, "licenses": [{"expression": "MIT"}]}


def reference(crate):
    return f"pkg:cargo/{crate['name']}@{crate['version']}"


def rust_version():
    return run("rustc", "--version").split()[1]


def zig_folder():
    tools = run("scripts/release/tools", "ziglang").strip()
    path = run(f"{tools}/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    return Path(path, "ziglang")


def zig_version():
    return run(str(zig_folder() / "zig"), "version").strip()


def musl_version():
    return re.search(r'VERSION "(.+)"', (zig_folder() / "lib/libc/musl/src/internal/version.h").read_text())[1]


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(*sys.argv[1:])
