#!/usr/bin/env python3
"""Writes the bill of materials of dedup-host, CycloneDX 1.6 as JSON: usage: scripts/sbom.py [FILE].

It lists what is compiled into the program for this machine's kind: crates (not those that only build it or are macros), as
cargo resolves them offline from Cargo.lock, and the C libraries inside of them, whose versions are read from their
sources. Not in it: what the system lends at run time (libc, libstdc++, OpenSSL, zlib), plugins, and tools.
The same sources give the same file.
"""

import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "dedup-host"

# C libraries: the crate they come with, the library they come with (none: the crate itself), the header that says the
# version, what stands before its parts there, where they come from, their licence.
C_LIBRARIES = [
    ("librdkafka", "rdkafka-sys", None, "librdkafka/src/rdkafka.h", "RD_KAFKA_VERSION", "confluentinc/librdkafka", "BSD-2-Clause"),
    ("cJSON", "rdkafka-sys", "librdkafka", "librdkafka/src/cJSON.h", "CJSON_VERSION", "DaveGamble/cJSON", "MIT"),
    ("LZ4 of librdkafka", "rdkafka-sys", "librdkafka", "librdkafka/src/lz4.h", "LZ4_VERSION", "lz4/lz4", "BSD-2-Clause"),
    ("nanopb", "rdkafka-sys", "librdkafka", "librdkafka/src/nanopb/pb.h", "NANOPB_VERSION", "nanopb/nanopb", "Zlib"),
    ("RocksDB", "librocksdb-sys", None, "rocksdb/include/rocksdb/version.h", "ROCKSDB", "facebook/rocksdb", "Apache-2.0"),
    ("LZ4", "lz4-sys", None, "liblz4/lib/lz4.h", "LZ4_VERSION", "lz4/lz4", "BSD-2-Clause"),
    ("Zstandard", "zstd-sys", None, "zstd/lib/zstd.h", "ZSTD_VERSION", "facebook/zstd", "BSD-3-Clause"),
]


def output_of(*command):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def version_of(text, prefix):
    """The version that a header defines: a number by bytes, a text, or three parts."""
    number = re.search(rf"#define {prefix}\s+0x([0-9a-f]{{8}})", text)
    if number:
        return ".".join(str(part) for part in bytes.fromhex(number[1])[:3])
    words = re.search(rf'#define {prefix}\s+"(?:\w+-)?([0-9][\w.-]*)"', text)
    if words:
        return words[1]
    parts = [re.search(rf"#define {prefix}_{part}\s+([0-9]+)", text) for part in ("MAJOR", "MINOR", "(?:PATCH|RELEASE)")]
    if not all(parts):
        raise SystemExit(f"sbom: no version {prefix} in its header: another release is built in another way")
    return ".".join(part[1] for part in parts)


def crates_of_program():
    """Names and versions of all crates that are linked into the program."""
    lines = output_of(
        "cargo", "tree", "--locked", "--offline", "--package", PROGRAM, "--edges", "normal,no-proc-macro",
        "--prefix", "none", "--format", "{p}",
    )
    found = re.findall(r"^(\S+) v(\S+)", lines, re.MULTILINE)
    return set(found)


def purl_of(package):
    return f"pkg:cargo/{package['name']}@{package['version'].replace('+', '%2B')}"


def component_of(package, checksums):
    component = {
        "type": "library",
        "bom-ref": purl_of(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl_of(package),
    }
    if package["description"]:
        component["description"] = " ".join(package["description"].split())
    if package["license"]:
        component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        component["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return component


def c_libraries(folders):
    """Components of C libraries, and by the reference of what contains them theirs."""
    components, inside, versions = [], {}, {}
    for name, crate, holder, header, prefix, repository, licence in C_LIBRARIES:
        folder, holder_ref = folders[crate]
        version = version_of((folder / header).read_text(), prefix)
        slug = name.lower().replace(" ", "-")
        versions[name] = ref = f"c:{slug}@{version}"
        components.append({
            "type": "library",
            "bom-ref": ref,
            "name": name,
            "version": version,
            "purl": f"pkg:github/{repository.lower()}@v{version}",
            "licenses": [{"license": {"id": licence}}],
            "externalReferences": [{"type": "vcs", "url": f"https://github.com/{repository}"}],
        })
        inside.setdefault(versions.get(holder, holder_ref), []).append(ref)
    return components, inside


def bill():
    target = re.search(r"host: (\S+)", output_of("rustc", "-vV"))[1]
    metadata = json.loads(output_of(
        "cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", target,
    ))
    lock = (ROOT / "Cargo.lock").read_text()
    pinned = r'^name = "(.*)"\nversion = "(.*)"\nsource = ".*"\nchecksum = "(.*)"$'
    checksums = {(name, version): digest for name, version, digest in re.findall(pinned, lock, re.MULTILINE)}
    wanted = crates_of_program()
    packages = {p["id"]: p for p in metadata["packages"] if (p["name"], p["version"]) in wanted}
    missing = wanted - {(p["name"], p["version"]) for p in packages.values()}
    if missing:
        raise SystemExit(f"sbom: cargo tree and cargo metadata do not agree on {sorted(missing)}")
    [program] = [p for p in packages.values() if p["name"] == PROGRAM]
    folders = {p["name"]: (Path(p["manifest_path"]).parent, purl_of(p)) for p in packages.values()}
    libraries, inside = c_libraries(folders)
    dependencies = []
    for node in metadata["resolve"]["nodes"]:
        if node["id"] in packages:
            needs = [d["pkg"] for d in node["deps"] if any(kind["kind"] is None for kind in d["dep_kinds"])]
            ref = purl_of(packages[node["id"]])
            refs = {purl_of(packages[need]) for need in needs if need in packages} | set(inside.pop(ref, []))
            dependencies.append({"ref": ref, "dependsOn": sorted(refs)})
    dependencies += [{"ref": library["bom-ref"], "dependsOn": sorted(inside.get(library["bom-ref"], []))} for library in libraries]
    others = [component_of(p, checksums) for p in packages.values() if p is not program]
    content = {
        "metadata": {
            "component": {**component_of(program, checksums), "type": "application"},
            "properties": [
                {"name": "cargo:target", "value": target},
                {"name": "dedup-host:scope", "value": "crates and C libraries linked into the program; not the system's libraries, plugins, build tools"},
            ],
        },
        "components": sorted(others + libraries, key=lambda component: component["bom-ref"]),
        "dependencies": sorted(dependencies, key=lambda dependency: dependency["ref"]),
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    head = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
    }
    return json.dumps({**head, **content}, indent=2, ensure_ascii=True) + "\n"


def main():
    if len(sys.argv) > 2 or (len(sys.argv) == 2 and sys.argv[1].startswith("-")):
        raise SystemExit(__doc__.splitlines()[0])
    text = bill()
    if len(sys.argv) == 1:
        sys.stdout.write(text)
        return
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text)
    part.replace(path)


if __name__ == "__main__":
    main()
