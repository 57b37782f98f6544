"""Gets packages by name through their own clients, into a cache folder, and unpacks them.

Nothing is installed and nothing needs root: a Debian package is downloaded with `apt-get download` and unpacked with
`dpkg-deb -x`, an npm package is downloaded with `npm pack` and unpacked with the standard library.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from urllib.parse import unquote

from failure import Failure


def default_cache():
    """The folder for downloads where `--cache` does not name one."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "uncsm-index" / "datasets"


def tool(name, hint):
    """The path of a program, or a Failure that says how to get it."""
    found = shutil.which(name)
    if found is None:
        raise Failure(f"the program {name} is not on the PATH", hint)
    return found


def run(command, what, hint, cwd=None):
    """Runs a program; a non-zero exit becomes a Failure with the last line that it wrote."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        # The first error is the cause, what follows it is often only a consequence.
        errors = [line for line in lines if line.lower().startswith(("e:", "npm err", "npm error", "dpkg-deb: error"))]
        said = (errors or lines[-1:] or ["no message"])[0]
        raise Failure(f"{what} failed (exit {done.returncode}): {said}", hint)
    return done.stdout


def _cached(cache, pattern, name):
    found = sorted(cache.glob(pattern))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise Failure(
            f"{cache} holds several versions of {name}: {names}", "remove all but the one to use"
        )
    return found[0] if found else None


def debian(name, cache):
    """The file of a Debian package in `cache`, downloaded where absent, and its version."""
    cache.mkdir(parents=True, exist_ok=True)
    file = _cached(cache, f"{name}_*.deb", name)
    if file is None:
        hint = (
            "run `apt-get update` and check `apt-cache policy "
            f"{name}`, or put {name}_VERSION_ARCH.deb into {cache} by hand"
        )
        apt = tool(
            "apt-get", f"run on Debian or a system derived from it, or put {name}_VERSION_ARCH.deb into {cache} by hand"
        )
        # An interrupted download must not look like a cached package, so it lands in a folder of its own first.
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            run([apt, "download", name], f"download of the Debian package {name}", hint, cwd=scratch)
            fresh = _cached(Path(scratch), f"{name}_*.deb", name)
            if fresh is None:
                raise Failure(f"apt-get left no file for the Debian package {name}", hint)
            file = cache / fresh.name
            os.replace(fresh, file)
    return file, unquote(file.name.split("_")[1])


def unpack_debian(file, target):
    """Unpacks the files of a Debian package into the folder `target`."""
    dpkg = tool("dpkg-deb", "install the package dpkg")
    run(
        [dpkg, "-x", str(file), str(target)],
        f"unpacking {file}",
        "remove the file, so that it is downloaded again",
    )


def npm(name, version, cache):
    """The file of one version of an npm package in `cache`, downloaded where absent."""
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / f"{name.lstrip('@').replace('/', '-')}-{version}.tgz"
    if not file.exists():
        hint = f"check `npm view {name}@{version}`, or put {file.name} into {cache} by hand"
        client = tool("npm", f"install npm, or put {file.name} into {cache} by hand")
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            run([client, "pack", "--silent", f"{name}@{version}"], f"download of the npm package {name}", hint, cwd=scratch)
            fresh = Path(scratch) / file.name
            if not fresh.exists():
                raise Failure(f"npm left no file {file.name}", hint)
            os.replace(fresh, file)
    return file


def unpack_npm(file, target, wanted):
    """Unpacks those regular files of an npm package whose path below `package/` satisfies `wanted`.

    Links and paths that leave the package are passed over, whatever the archive says.
    """
    try:
        with tarfile.open(file, "r:gz") as archive:
            for member in archive:
                path = member.name.split("/", 1)[-1]
                if not member.isfile() or ".." in path.split("/") or path.startswith("/") or not wanted(path):
                    continue
                place = target / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(archive.extractfile(member).read())
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Failure(f"cannot unpack {file}: {error}", "remove the file, so that it is downloaded again") from error
