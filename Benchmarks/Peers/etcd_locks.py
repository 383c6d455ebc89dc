"""etcd's lock, called over the server's JSON gateway."""

import base64
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from measurement import alternate, measure_blocking, parse_arguments

# The lease, in seconds. A run is shorter, so it need not be renewed.
LEASE = 600


class Lock:
    """A lock of one client, which has one connection and one lease."""

    def __init__(self, url: str, name: str) -> None:
        address = urlsplit(url)
        self.connection = http.client.HTTPConnection(address.hostname or "", address.port)
        self.name = base64.b64encode(name.encode()).decode()
        self.lease = self.call("lease/grant", {"TTL": LEASE})["ID"]
        self.key = ""

    def acquire(self) -> None:
        self.key = self.call("lock/lock", {"name": self.name, "lease": self.lease})["key"]

    def release(self) -> None:
        self.call("lock/unlock", {"key": self.key})

    def call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self.connection.request("POST", f"/v3/{method}", json.dumps(parameters).encode())
        response = self.connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"etcd answered {response.status} to {method}: {content.decode()}")
        result: dict[str, Any] = json.loads(content)
        return result


arguments = parse_arguments(["pairs", "handover"])
lock = Lock(arguments.url, arguments.workload)


def pair() -> None:
    lock.acquire()
    lock.release()


if arguments.workload == "pairs":
    measure_blocking(arguments, pair)
else:
    alternate(lock.acquire, lock.release)
