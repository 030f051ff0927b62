"""Lists the messages that the server could not accept, and leaves them where they are.

    pip install pika
    WARREN_BROKER=amqp://guest:guest@127.0.0.1:5672 python dead_letters.py
"""

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
        # What is not acknowledged is back in the queue when the channel is closed.
        channel.close()


if __name__ == "__main__":
    try:
        main()
    except pika.exceptions.AMQPError as error:
        sys.exit(f"{type(error).__name__}: {error}")
