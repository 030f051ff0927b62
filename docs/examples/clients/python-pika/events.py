"""Prints what happens to jobs, by default of the group files, until it is stopped.

    pip install pika
    WARREN_BROKER=amqp://guest:guest@127.0.0.1:5672 python events.py '*.*.files.*'
"""

import json
import os
import sys

import pika
import pika.exceptions

BROKER = os.environ.get("WARREN_BROKER", "amqp://guest:guest@127.0.0.1:5672")


def show(channel, method, properties, body):
    event = json.loads(body)
    reason = f" ({event['reason']})" if "reason" in event else ""
    print(
        f"{event['sequence']} job {event['job']} of {event['type']}:"
        f" {event.get('from', 'new')} -> {event['to']}{reason}",
        flush=True,
    )


def main(pattern):
    with pika.BlockingConnection(pika.URLParameters(BROKER)) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        # <status>.<queue>.<group>.<type>
        channel.queue_bind(queue, "jobs.events", pattern)
        channel.basic_consume(queue, show, auto_ack=True)
        print(f"listening for {pattern}", flush=True)
        channel.start_consuming()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit("usage: events.py [PATTERN]    (of the routing key <status>.<queue>.<group>.<type>)")
    try:
        main(sys.argv[1] if len(sys.argv) == 2 else "*.*.files.*")
    except KeyboardInterrupt:
        pass
    except pika.exceptions.AMQPError as error:
        sys.exit(f"{type(error).__name__}: {error}")
