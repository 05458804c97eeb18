"""JSON-RPC over HTTP, batched."""

import json
import urllib.request

BATCH = 40
TIMEOUT_S = 60


class RpcError(Exception):
    """The node answered with an error, or not at all as asked."""


class Rpc:
    def __init__(self, url):
        self.url = url

    def one(self, method, *params):
        return self.many([(method, params)])[0]

    def many(self, calls):
        """Results in the order of calls."""
        results = []
        for start in range(0, len(calls), BATCH):
            results.extend(self._batch(calls[start:start + BATCH]))
        return results

    def _batch(self, calls):
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
            for number, (method, params) in enumerate(calls)
        ]
        request = urllib.request.Request(self.url, json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            answers = json.load(response)
        if not isinstance(answers, list):
            raise RpcError(f"{calls[0][0]}: {answers}")
        by_id = {answer.get("id"): answer for answer in answers}
        results = []
        for number, (method, params) in enumerate(calls):
            answer = by_id.get(number)
            if answer is None or "error" in answer or "result" not in answer:
                raise RpcError(f"{method}{list(params)}: {answer}")
            results.append(answer["result"])
        return results


def quantity(value):
    """A hex quantity as int."""
    return int(value, 16)


def data(value):
    """Hex data as bytes."""
    assert value.startswith("0x"), value
    return bytes.fromhex(value[2:])
