"""Writes the config and the manifest of an image: the layers of the base, then that with the primes on top.

    python3 written-manifest.py LAYERS

LAYERS describes the layers that the image may have, as a step of type `dump-objects` writes it: a list for each name, each element with
`mediaType`, `digest`, `size` and `diffID`.
"""

import hashlib
import json
import platform
import sys

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

with open(sys.argv[1], encoding="utf-8") as file:
    objects = json.load(file)
layers = objects["base"] + objects["primes"]

config = {
    "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
    "os": "linux",
    "config": {
        "Cmd": ["python3", "-c", "print(len(open('/primes').readlines()), 'primes')"],
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
    },
    "history": [{"created_by": "layer %d" % number} for number in range(len(layers))],
    "rootfs": {"type": "layers", "diff_ids": [layer["diffID"] for layer in layers]},
}
text = json.dumps(config).encode()
with open("config.json", "wb") as file:
    file.write(text)

manifest = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": "sha256:" + hashlib.sha256(text).hexdigest(),
        "size": len(text),
    },
    "layers": [{key: layer[key] for key in ("mediaType", "digest", "size")} for layer in layers],
    "annotations": {"org.opencontainers.image.title": "primes, by a manifest of its own"},
}
with open("manifest.json", "w", encoding="utf-8") as file:
    json.dump(manifest, file)
