#!/usr/bin/env python3
"""Times stromatekt beside docker and buildah: the same cases, in one run, in turns, medians.

Uncached is content that no builder has seen: the Dockerfile, or the files it copies, are other ones in each round.
Cached is the same build again. In a round each builder has its turn with the same content, so that what disturbs
the machine disturbs all of them. Steps have no network. What cannot run here is listed with the reason.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE.parent / "lab"


def run(command, env=None, check=True, cwd=None):
    """Runs a command; what it wrote is shown only when it fails."""
    done = subprocess.run([str(part) for part in command], env={**os.environ, **(env or {})}, cwd=cwd,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout[-2000:]}")
    return done.stdout


class Failed(Exception):
    """A command failed."""


class Absent(Exception):
    """A builder is not on this machine."""


# --- the builders ---------------------------------------------------------------------------------------------------

class Stromatekt:
    name = "stromatekt"

    def __init__(self, options):
        self.binary = Path(options.stromatekt).resolve()
        self.root = options.lab / "bench/stromatekt"
        self.fresh = options.lab / "bench/stromatekt-fresh"

    def start(self):
        if not self.binary.exists():
            raise Absent(f"{self.binary} is not built")

    def stop(self):
        for root in (self.root, self.fresh):
            if root.exists():
                run([self.binary, "--root", root, "store", "unmount"], check=False)

    def version(self):
        return run([self.binary, "--version"]).split()[-1]

    def cli(self, *args, root=None):
        return [self.binary, "--root", root or self.root, *args]

    def import_base(self, tar, name):
        run(self.cli("image", "load", tar, "--name", name))

    def build(self, context, tag):
        return [(self.cli("build", "-q", "--network", "none", "-t", tag, context), None)]

    def build_and_export(self, context, tag, directory):
        output = f"type=oci,tar=false,dest={directory}"
        return [(self.cli("build", "-q", "--network", "none", "-t", tag, "-o", output, context), None)]

    def forget_images(self):
        if self.fresh.exists():
            run(self.cli("store", "unmount", root=self.fresh), check=False)
            shutil.rmtree(self.fresh)

    def load(self, archive):
        return [(self.cli("image", "load", archive, "--name", "loaded", root=self.fresh), None)]


class Docker:
    """Debian bookworm's docker, with a daemon of its own; its classic builder, or the BuildKit in it."""

    def __init__(self, options, buildkit):
        self.buildkit = buildkit
        self.name = "docker BuildKit" if buildkit else "docker classic"
        self.directory = options.lab / "bench/docker"
        # A newer client elsewhere on PATH knows no classic builder, and wants a buildx.
        self.client = "/usr/bin/docker"

    def start(self):
        if not Path(self.client).exists() or not shutil.which("dockerd"):
            raise Absent("Debian's docker.io is not installed")
        said = run([SCRIPTS / "docker.sh", "start", self.directory]).strip()
        self.host = said.partition("=")[2]

    def stop(self):
        run([SCRIPTS / "docker.sh", "stop", self.directory], check=False)

    def environment(self):
        return {"DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "1" if self.buildkit else "0"}

    def cli(self, *args):
        return [self.client, *args]

    def version(self):
        return run(self.cli("version", "--format", "{{.Server.Version}}"), self.environment()).split("+")[0].strip()

    def import_base(self, tar, name):
        if not run(self.cli("image", "ls", "-q", name), self.environment()).strip():
            run(self.cli("import", tar, name), self.environment())

    def build(self, context, tag):
        # 20.10's BuildKit has no --network=none for the RUN flag, but takes the option of the command line.
        return [(self.cli("build", "-q", "--network", "none", "-t", tag, context), self.environment())]

    def build_and_export(self, context, tag, directory):
        save = self.cli("save", "-o", f"{directory}.tar", tag)
        return self.build(context, tag) + [(save, self.environment())]

    def forget_images(self):
        run(self.cli("system", "prune", "--all", "--force"), self.environment())
        run(self.cli("builder", "prune", "--all", "--force"), self.environment(), check=False)

    def load(self, archive):
        return [(self.cli("load", "-q", "-i", archive), self.environment())]


class ModernDocker(Docker):
    """Debian forky's docker with buildx, in a chroot: paths beneath `work` are beneath /work in there."""

    def __init__(self, options):
        super().__init__(options, buildkit=True)
        self.name = "moby BuildKit"
        self.directory = options.lab / "bench/moby"

    def start(self):
        if not shutil.which("mmdebstrap"):
            raise Absent("mmdebstrap is not installed")
        try:
            run([SCRIPTS / "modern-docker.sh", "start", self.directory])
        except Failed as failed:
            raise Absent(str(failed).strip().splitlines()[-1]) from failed

    def stop(self):
        run([SCRIPTS / "modern-docker.sh", "stop", self.directory], check=False)

    def environment(self):
        return {"DOCKER_BUILDKIT": "1"}

    def import_base(self, tar, name):
        # It sees nothing of the machine but this directory.
        seen = self.directory / "work" / tar.name
        if not seen.exists():
            os.link(tar, seen)
        super().import_base(seen, name)

    def cli(self, *args):
        inside = [str(arg).replace(str(self.directory / "work"), "/work") for arg in args]
        return [SCRIPTS / "modern-docker.sh", "run", self.directory, "docker", *inside]


class Buildah:
    name = "buildah --layers"

    def __init__(self, options):
        self.storage = options.lab / "bench/buildah"
        self.fresh = options.lab / "bench/buildah-fresh"

    def start(self):
        for program in ("buildah", "skopeo", "runc"):
            if not shutil.which(program):
                raise Absent(f"{program} is not installed")

    def stop(self):
        pass

    def cli(self, *args, storage=None):
        storage = storage or self.storage
        return ["buildah", "--root", storage, "--runroot", f"{storage}-run", "--storage-driver", "overlay", *args]

    def version(self):
        return run(["buildah", "--version"]).split()[2]

    def import_base(self, tar, name):
        if run(self.cli("images", "-q", f"localhost/{name}"), check=False).strip().startswith("Error") or not \
                run(self.cli("images", "--format", "{{.Name}}")).count(f"localhost/{name}\n"):
            container = run(self.cli("from", "scratch")).strip()
            run(self.cli("add", "-q", container, tar, "/"))
            run(self.cli("commit", "-q", "--rm", container, name))

    def build(self, context, tag):
        # A layer for each instruction, as docker makes them; runc, because the others use it too.
        return [(self.cli("bud", "-q", "--layers", "--isolation", "oci", "--runtime", "runc", "--network", "none",
                          "--pull-never", "-t", tag, context), None)]

    def build_and_export(self, context, tag, directory):
        return self.build(context, tag) + [(self.cli("push", "-q", tag, f"oci:{directory}:latest"), None)]

    def forget_images(self):
        run(self.cli("rmi", "--all", "--force", storage=self.fresh), check=False)
        shutil.rmtree(self.fresh, ignore_errors=True)

    def load(self, archive):
        store = f"containers-storage:[overlay@{self.fresh}+{self.fresh}-run]loaded:latest"
        return [(["skopeo", "copy", "-q", f"docker-archive:{archive}", store], None)]


# --- the cases ------------------------------------------------------------------------------------------------------

class Case:
    """A context that is made new for each round, and how it is timed."""
    bases = ()
    uncached, cached = True, True

    def __init__(self, work):
        self.context = work / self.key
        shutil.rmtree(self.context, ignore_errors=True)
        self.context.mkdir(parents=True)

    def commands(self, builder, tag):
        return builder.build(self.context, tag)

    def after(self, builder):
        """Removes what a run left that would change the next one."""

    def before(self, builder):
        """Brings a builder into the state that the case begins with; not timed."""


class Symlink(Case):
    key, title = "symlink", "one symlink on a base of 1 GiB, 60,000 files"
    bases = ("fat",)

    def renew(self, nonce):
        (self.context / "Dockerfile").write_text(f"FROM fat\nRUN ln -s /usr/share/fat /link-{nonce}\n")


class SymlinkExport(Symlink):
    key, title = "export", "the same, and the image to an OCI layout (docker: docker save)"
    cached = False

    def commands(self, builder, tag):
        return builder.build_and_export(self.context, tag, self.context.parent / "exported")

    def after(self, builder):
        shutil.rmtree(self.context.parent / "exported", ignore_errors=True)
        (self.context.parent / "exported.tar").unlink(missing_ok=True)


class Load(Case):
    key, title = "load", "load of that base's docker archive into an empty store"
    bases = ("fat",)
    cached = False

    def renew(self, nonce):
        archive = self.context / "fat.tar"
        if not archive.exists():
            make_docker_archive(LAB / "fat.tar", archive)

    def before(self, builder):
        builder.forget_images()

    def after(self, builder):
        builder.forget_images()

    def commands(self, builder, tag):
        return builder.load(self.context / "fat.tar")


class Stages(Case):
    key, title = "stages", "six independent stages of 1 s, joined by COPY"
    bases = ("busybox",)

    def renew(self, nonce):
        text = "".join(f"FROM busybox AS s{stage}\nRUN sleep 1 && echo {nonce} > /out{stage}\n" for stage in range(6))
        text += "FROM busybox\n" + "".join(f"COPY --from=s{stage} /out{stage} /\n" for stage in range(6))
        (self.context / "Dockerfile").write_text(text)


class Copy(Case):
    key, title = "copy", "COPY of 300 MiB in 5,000 files"
    bases = ("busybox",)

    def renew(self, nonce):
        (self.context / "Dockerfile").write_text("FROM busybox\nCOPY files /files\n")
        rng = random.Random(nonce)
        for directory in range(50):
            path = self.context / f"files/d{directory}"
            path.mkdir(parents=True, exist_ok=True)
            for file in range(100):
                (path / f"f{file}").write_bytes(rng.randbytes(300 * 2**20 // 5000))


class CProject(Case):
    key, title = "c-project", "a C project of 150 files compiled with make"
    bases = ("debian-gcc",)

    def renew(self, nonce):
        source = self.context / "src"
        source.mkdir(exist_ok=True)
        (self.context / "Dockerfile").write_text("FROM debian-gcc\nCOPY src /src\nRUN make -s -j2 -C /src\n")
        (source / "Makefile").write_text(
            "CFLAGS = -O2\nobjects = $(patsubst %.c,%.o,$(wildcard *.c))\n"
            "program: $(objects)\n\t$(CC) -o $@ $^\n$(objects): common.h\n")
        (source / "common.h").write_text(
            f"#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#define ROUND {nonce}\n"
            + "".join(f"int part{number}(int);\n" for number in range(149)))
        for number in range(149):
            (source / f"part{number}.c").write_text(
                f'#include "common.h"\nstatic char *join(const char *a, const char *b) {{ char *r = malloc(strlen(a) + strlen(b) + 1);'
                f' strcpy(r, a); return strcat(r, b); }}\nint part{number}(int n) {{ int sum = ROUND; for (int i = 0; i < n; i++)'
                f' {{ char *t = join("{number}", i % 3 ? "x" : "yy"); sum += (int)strlen(t) * i; free(t); }} return sum; }}\n')
        (source / "main.c").write_text(
            '#include "common.h"\nint main(void) { int sum = 0;\n'
            + "".join(f"sum += part{number}({number});\n" for number in range(149)) + 'printf("%d\\n", sum); return 0; }\n')


CASES = [Symlink, SymlinkExport, Load, Stages, Copy, CProject]


def make_docker_archive(rootfs, archive):
    """A docker archive with one uncompressed layer, as `docker save` makes it."""
    import hashlib
    import io
    import tarfile
    digest = hashlib.sha256()
    with open(rootfs, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    config = json.dumps({
        "architecture": subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip(), "os": "linux",
        "config": {}, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest.hexdigest()}"]},
        "history": [{"created": "2023-11-14T22:13:20Z", "created_by": "bench"}]}).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": ["loaded:latest"], "Layers": ["layer/layer.tar"]}]).encode()
    with tarfile.open(archive, "w") as out:
        out.add(rootfs, "layer/layer.tar")
        for path, data in ((name, config), ("manifest.json", manifest)):
            info = tarfile.TarInfo(path)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))


# --- the run --------------------------------------------------------------------------------------------------------

def timed(commands):
    os.sync()  # what the run before wrote is not this one's to wait for
    began = time.monotonic()
    for command, env in commands:
        run(command, env)
    return time.monotonic() - began


def measure(case, builders, rounds, nonces):
    """The seconds of each builder, uncached and cached; or the reason why there are none."""
    times = {builder.name: {"uncached": [], "cached": []} for builder in builders}
    failures = {}
    for number in range(rounds):
        case.renew(next(nonces))
        # Another one begins in each round.
        for builder in builders[number % len(builders):] + builders[:number % len(builders)]:
            if builder.name in failures:
                continue
            tag = f"bench-{case.key}"
            try:
                case.before(builder)
                times[builder.name]["uncached"].append(timed(case.commands(builder, tag)))
                if case.cached:
                    times[builder.name]["cached"].append(timed(case.commands(builder, tag)))
                case.after(builder)
            except Failed as failed:
                failures[builder.name] = str(failed)
                print(f"  {builder.name} failed: {failed}", file=sys.stderr)
            else:
                shown = " / ".join(f"{values[-1]:.2f}" for values in times[builder.name].values() if values)
                print(f"  round {number + 1}: {builder.name:18} {shown}", flush=True)
    return times, failures


def report(results, builders, rounds):
    print(f"\nSeconds, uncached / cached, medians of {rounds}. In brackets: stromatekt's share of the fastest peer's time.\n")
    names = [builder.name for builder in builders]
    print("| case | " + " | ".join(f"{builder.name} {builder.shown}" for builder in builders) + " |")
    print("| --- |" + " --- |" * len(names))
    for title, times, failures in results:
        medians = {name: {kind: statistics.median(values) for kind, values in times[name].items() if values}
                   for name in names if name not in failures}
        cells = []
        for name in names:
            if name in failures:
                cells.append("failed")
                continue
            parts = []
            for kind, seconds in medians[name].items():
                part = f"{seconds:.2f}"
                peers = [medians[peer][kind] for peer in medians if peer != Stromatekt.name and kind in medians[peer]]
                if name == Stromatekt.name and peers:
                    part += f" ({seconds / min(peers):.0%})"
                parts.append(part)
            cells.append(" / ".join(parts))
        print(f"| {title} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stromatekt", default="target/release/stromatekt", help="the binary")
    parser.add_argument("--lab", type=Path, required=True, help="where bases.sh left the base images; state goes there")
    parser.add_argument("--case", action="append", choices=[case.key for case in CASES], help="this case alone")
    parser.add_argument("--peer", action="append", help="this peer alone (docker-classic, docker-buildkit, moby, buildah, none)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="the times, to a file")
    options = parser.parse_args()
    options.lab = options.lab.resolve()
    global LAB
    LAB = options.lab

    peers = {
        "docker-classic": lambda: Docker(options, buildkit=False),
        "docker-buildkit": lambda: Docker(options, buildkit=True),
        "moby": lambda: ModernDocker(options),
        "buildah": lambda: Buildah(options),
    }
    wanted = options.peer or list(peers)
    candidates = [Stromatekt(options)] + [peers[name]() for name in wanted if name != "none"]
    # In there, because moby sees nothing else of the machine.
    work = options.lab / "bench/moby/work"
    work.mkdir(parents=True, exist_ok=True)
    cases = [case(work) for case in CASES if not options.case or case.key in options.case]
    # It empties the peers' stores.
    cases.sort(key=lambda case: isinstance(case, Load))

    builders, absent, results = [], [], []
    try:
        for builder in candidates:
            try:
                builder.start()
                builder.shown = builder.version()
                for name in sorted({base for case in cases if not isinstance(case, Load) for base in case.bases}):
                    builder.import_base(options.lab / f"{name}.tar", name)
                builders.append(builder)
            except (Absent, Failed) as why:
                absent.append((builder.name, str(why)))
        if not builders:
            sys.exit("no builder can run: " + "; ".join(f"{name}: {why}" for name, why in absent))
        nonces = iter(range(time.time_ns() // 10**6 % 10**9, 2**31))
        for case in cases:
            print(case.title, flush=True)
            results.append((case.title, *measure(case, builders, options.rounds, nonces)))
            shutil.rmtree(case.context, ignore_errors=True)
    finally:
        for builder in reversed(candidates):
            builder.stop()
    report(results, builders, options.rounds)
    for name, why in absent:
        print(f"\nabsent: {name}: {why}")
    if options.json:
        options.json.write_text(json.dumps([{"case": title, "seconds": times, "failed": failures}
                                            for title, times, failures in results], indent=2))
    sys.exit(any(Stromatekt.name in failures for _, _, failures in results))


if __name__ == "__main__":
    main()
