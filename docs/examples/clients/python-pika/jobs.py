"""Submits a job and prints its result; then schedules one for later and cancels it.

    pip install pika
    WARREN_BROKER=amqp://guest:guest@127.0.0.1:5672 python jobs.py README.md
"""

import json
import os
import sys
import time
import uuid

import pika
import pika.exceptions

BROKER = os.environ.get("WARREN_BROKER", "amqp://guest:guest@127.0.0.1:5672")


def publish(channel, message_type, body, headers=None, **properties):
    """When this returns, the broker has the message on its disk; unroutable, it raises."""
    channel.basic_publish(
        exchange="jobs.submit",
        routing_key="",
        mandatory=True,
        body=json.dumps(body),
        properties=pika.BasicProperties(
            type=message_type,
            content_type="application/json",
            delivery_mode=2,
            headers=headers,
            **properties,
        ),
    )


def submit(channel, job_type, params, key, reply_to, **headers):
    """Should it raise, it may be done again with the same key: that is the same job."""
    job = str(uuid.uuid4())
    headers["idempotency-key"] = key
    publish(
        channel, job_type, params, headers, message_id=job, reply_to=reply_to, correlation_id=job
    )
    return job


def cancel(channel, job, reason):
    publish(channel, "warren.cancel", {"job": job, "reason": reason})


def end_of(channel, queue, job, seconds=30):
    """The job as it is at its end."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        message = next(channel.consume(queue, auto_ack=True, inactivity_timeout=left))
        method, properties, body = message
        if method and properties.correlation_id == job:
            return json.loads(body)
    raise TimeoutError(f"job {job} has not ended within {seconds} s; are a server and a worker there?")


def main(path):
    with pika.BlockingConnection(pika.URLParameters(BROKER)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        replies = f"to-jobs-{uuid.uuid4()}"
        channel.queue_declare(replies, exclusive=True)

        key = f"checksum-{uuid.uuid4()}"
        job = submit(channel, "files:checksum", {"path": path}, key, replies)
        end = end_of(channel, replies, job)
        print(f"job {job} {end['status']}: {end.get('result') or end.get('error')}")
        if end["status"] != "completed":
            return 1

        in_an_hour = int((time.time() + 3600) * 1000)
        key = f"checksum-{uuid.uuid4()}"
        job = submit(
            channel, "files:checksum", {"path": path}, key, replies, **{"scheduled-at": in_an_hour}
        )
        cancel(channel, job, "no longer needed")
        end = end_of(channel, replies, job)
        print(f"job {job} {end['status']}: {end['details']}")
        return 0 if end["status"] == "canceled" else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: jobs.py FILE    (FILE as the worker sees it)")
    try:
        sys.exit(main(sys.argv[1]))
    except pika.exceptions.UnroutableError:
        sys.exit("the exchange jobs.submit leads to no queue; was a server of Warren ever there?")
    except (pika.exceptions.AMQPError, TimeoutError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
