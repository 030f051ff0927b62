"""Lists the messages that the server could not accept, and leaves them where they are.

    pip install pika
    WARREN_BROKER=amqp://guest:guest@127.0.0.1:5672 python dead_letters.py
"""

import json
import os
import sys

import pika
import pika.exceptions

BROKER = os.environ.get("WARREN_BROKER", "amqp://guest:guest@127.0.0.1:5672")


def main(most=1000):
    with pika.BlockingConnection(pika.URLParameters(BROKER)) as connection:
        channel = connection.channel()
        for _ in range(most):
            method, properties, body = channel.basic_get("jobs.dead")
            if method is None:
                break
            headers = properties.headers or {}
            what = properties.type or headers.get("type") or "message without a type"
            print(f"{what}, {len(body)} bytes, {properties.message_id or 'without an id'}")
            print(f"  {headers.get('x-warren-reason')}: {headers.get('x-warren-explanation')}")
            # Who sent it, where the server asks who is who, and what does not fit, each with its place.
            if user := headers.get("x-warren-user"):
                print(f"  from the broker's user {user}")
            for error in json.loads(headers.get("x-warren-errors") or "[]"):
                print(f"  {error['pointer'] or 'the params'}: {error['detail']}")
        else:
            print(f"there may be more: only the first {most} are listed")
        # What is not acknowledged is back in the queue when the channel is closed.
        channel.close()


if __name__ == "__main__":
    try:
        main()
    except pika.exceptions.AMQPError as error:
        sys.exit(f"{type(error).__name__}: {error}")
