"""Writes down what is published on a broker, by RabbitMQ's firehose tracer (`rabbitmqctl trace_on`).

    wire.py tap                    begins to collect, in a queue
    wire.py collect FILE [PREFIX]  writes what has gathered, a message a line, as asyncapi.py reads it

The broker is the one of WARREN_BROKER. What the broker itself has thrown out of a queue is no publication; it is read from the
queue of dead letters.
"""

import base64
import json
import os
import sys

import pika

TAP = "wire-tap"


def plain(value):
    """Headers as JSON has them."""
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(element) for element in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def record(exchange, routing_key, properties, headers, body):
    return {
        "exchange": exchange,
        "routing_key": routing_key,
        "properties": plain(properties),
        "headers": plain(headers or {}),
        "body": base64.b64encode(body).decode(),
    }


def traced(headers, body):
    properties = dict(headers["properties"])
    own = properties.pop("headers", {})
    return record(headers["exchange_name"], headers["routing_keys"][0], properties, own, body)


def main(arguments):
    with pika.BlockingConnection(pika.URLParameters(os.environ["WARREN_BROKER"])) as connection:
        channel = connection.channel()
        if arguments == ["tap"]:
            channel.queue_declare(TAP, durable=True)
            channel.queue_bind(TAP, "amq.rabbitmq.trace", "publish.#")
            return
        if len(arguments) not in (2, 3) or arguments[0] != "collect":
            sys.exit(__doc__)
        prefix = arguments[2] if len(arguments) == 3 else "jobs"
        with open(arguments[1], "w") as file:

            def write(message):
                file.write(json.dumps(message) + "\n")

            while True:
                method, properties, body = channel.basic_get(TAP, auto_ack=True)
                if method is None:
                    break
                write(traced(properties.headers, body))
            while True:
                # Without an acknowledgement: they stay where they are.
                method, properties, body = channel.basic_get(f"{prefix}.dead")
                if method is None:
                    break
                headers = properties.headers or {}
                if "x-warren-reason" in headers:
                    continue
                known = {
                    name: value
                    for name, value in vars(properties).items()
                    if value is not None and name != "headers"
                }
                write(record(f"{prefix}.dead", "", known, headers, body))


if __name__ == "__main__":
    main(sys.argv[1:])
