"""One call with pydo: the order comes as JSON on stdin, the answer goes as JSON to stdout."""

import json
import os
import sys

from azure.core.exceptions import HttpResponseError
from pydo import Client

# Seconds.
LIMIT = 60


def answer(status, headers, body):
    json.dump({"status": status, "headers": dict(headers), "body": body}, sys.stdout)


def main():
    order = json.load(sys.stdin)
    client = Client(
        token=os.environ["DIGITALOCEAN_TOKEN"],
        endpoint=os.environ["WINDLASS_DIGITALOCEAN_API"],
        connection_verify=os.environ["WINDLASS_CA_FILE"],
        connection_timeout=LIMIT,
        read_timeout=LIMIT,
    )
    operation = getattr(client.apps, order["operation"])
    named = {"headers": order["headers"]}
    if order["body"] is not None:
        named["body"] = order["body"]

    def whole(pipeline, body, _):
        response = pipeline.http_response
        return response.status_code, response.headers, body

    try:
        answer(*operation(*order["arguments"], cls=whole, **named))
    except HttpResponseError as error:
        if error.response is None:
            raise
        answer(error.status_code, error.response.headers, error.response.text())


main()
