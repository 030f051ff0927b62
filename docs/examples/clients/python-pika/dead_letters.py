"""Prints the messages that the server cannot accept, as it refuses them, until it is stopped.

    pip install pika
    WARREN_BROKER=amqp://guest:guest@127.0.0.1:5672 python dead_letters.py

It has a queue of its own. Those from before are with the server: `warren dead list`.
"""

import json
import os
import sys

import pika
import pika.exceptions

BROKER = os.environ.get("WARREN_BROKER", "amqp://guest:guest@127.0.0.1:5672")


def show(channel, method, properties, body):
    headers = properties.headers or {}
    what = properties.type or headers.get("type") or "message without a type"
    letter = headers.get("x-warren-letter", "without an id yet")
    print(f"dead letter {letter}: {what}, {len(body)} bytes, {properties.message_id or 'without an id'}")
    # What the broker throws out has its own headers.
    reason = headers.get("x-warren-reason") or headers.get("x-first-death-reason")
    print(f"  {reason}: {headers.get('x-warren-explanation', '')}", flush=True)
    # Who sent it, where the server asks who is who, and what does not fit, each with its place.
    if user := headers.get("x-warren-user"):
        print(f"  from the broker's user {user}", flush=True)
    for error in json.loads(headers.get("x-warren-errors") or "[]"):
        print(f"  {error['pointer'] or 'the params'}: {error['detail']}", flush=True)


def main():
    with pika.BlockingConnection(pika.URLParameters(BROKER)) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "jobs.dead")
        channel.basic_consume(queue, show, auto_ack=True)
        print("listening", flush=True)
        channel.start_consuming()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except pika.exceptions.AMQPError as error:
        sys.exit(f"{type(error).__name__}: {error}")
