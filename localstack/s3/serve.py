"""Runs LocalStack's S3 in this process until standard input ends; all it writes is in one folder.

Usage: serve.py serve INDEX PORT FOLDER     INDEX: a folder filled by the second
       serve.py index INDEX

The end of standard input is the only way down, and it is at once: nothing LocalStack holds is needed again. Whoever
started it keeps the other end of the pipe, so LocalStack ends with its starter even if that is killed.
"""

import os
import runpy
import sys
import threading

# What LocalStack may see of the caller's environment: its own variables there, of which it reads hundreds, lead elsewhere.
KEPT = ("PATH", "LANG", "LC_ALL", "TZ")
# Where LocalStack looks for what was made in advance, below its root.
STATIC = "usr/lib/localstack"


def end_with_input():
    while os.read(0, 4096):
        pass
    os._exit(0)


def surround(root, more):
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update(
        HOME=root,
        FILESYSTEM_ROOT=root,
        # A virtual machine may look like a container to it, where it would use folders of the system.
        OVERRIDE_IN_DOCKER="0",
        DISABLE_EVENTS="1",
        SKIP_SSL_CERT_DOWNLOAD="1",
        # No name server of its own on port 53.
        DNS_ADDRESS="0",
    )
    os.environ.update(more)


def make_index(index):
    surround(index, {})
    static = os.path.join(index, STATIC)
    os.makedirs(static)
    from localstack.aws import spec

    if spec.main():
        sys.exit("the index of services could not be made")


def serve(index, port, folder):
    threading.Thread(target=end_with_input, daemon=True).start()
    folder = os.path.abspath(folder)
    static = os.path.join(folder, STATIC)
    os.makedirs(os.path.dirname(static), exist_ok=True)
    os.symlink(os.path.join(os.path.abspath(index), STATIC), static)
    surround(
        folder,
        {
            "SERVICES": "s3,sts",
            "EAGER_SERVICE_LOADING": "1",
            "STRICT_SERVICE_LOADING": "1",
            # The other gateway listens on all addresses, whatever the next line says.
            "GATEWAY_SERVER": "hypercorn",
            "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        },
    )
    runpy.run_module("localstack.runtime.main", run_name="__main__")


def main(arguments):
    match arguments:
        case ["index", index]:
            make_index(index)
        case ["serve", index, port, folder]:
            serve(index, port, folder)
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])
