"""Submits a job and prints its result; then schedules one for later and cancels it.

    pip install aio-pika
    WARREN_BROKER=amqp://guest:guest@127.0.0.1:5672 python jobs.py README.md
"""

import asyncio
import json
import os
import sys
import time
import uuid

import aio_pika
from aio_pika import DeliveryMode, Message

BROKER = os.environ.get("WARREN_BROKER", "amqp://guest:guest@127.0.0.1:5672")


class Jobs:
    """A producer of jobs: one connection, and one queue for all that comes back."""

    async def __aenter__(self):
        self.connection = await aio_pika.connect(BROKER, timeout=10)
        # Publisher confirms are on; what cannot be routed raises.
        channel = await self.connection.channel(on_return_raises=True)
        self.exchange = await channel.get_exchange("jobs.submit")
        self.replies = await channel.declare_queue(f"to-jobs-{uuid.uuid4()}", exclusive=True)
        self.ends = {}
        await self.replies.consume(self._take, no_ack=True)
        return self

    async def __aexit__(self, *_):
        await self.connection.close()

    async def _take(self, message):
        end = self.ends.pop(message.correlation_id, None)
        if end and not end.done():
            end.set_result(json.loads(message.body))

    async def _publish(self, message_type, body, **properties):
        message = Message(
            json.dumps(body).encode(),
            type=message_type,
            content_type="application/json",
            delivery_mode=DeliveryMode.PERSISTENT,
            **properties,
        )
        await self.exchange.publish(message, routing_key="", mandatory=True, timeout=10)

    async def submit(self, job_type, params, key, scheduled_at=None):
        """The job's id, and a future of the job as it is at its end.

        Should it raise, it may be done again with the same key: that is the same job.
        """
        job = str(uuid.uuid4())
        headers = {"idempotency-key": key}
        if scheduled_at is not None:
            headers["scheduled-at"] = int(scheduled_at * 1000)
        end = self.ends[job] = asyncio.get_running_loop().create_future()
        await self._publish(
            job_type,
            params,
            message_id=job,
            reply_to=self.replies.name,
            correlation_id=job,
            headers=headers,
        )
        return job, end

    async def cancel(self, job, reason):
        await self._publish("warren.cancel", {"job": job, "reason": reason})


async def main(path):
    async with Jobs() as jobs:
        job, end = await jobs.submit("files:checksum", {"path": path}, f"checksum-{uuid.uuid4()}")
        end = await asyncio.wait_for(end, 30)
        print(f"job {job} {end['status']}: {end.get('result') or end.get('error')}")
        if end["status"] != "completed":
            return 1

        job, end = await jobs.submit(
            "files:checksum", {"path": path}, f"checksum-{uuid.uuid4()}", time.time() + 3600
        )
        await jobs.cancel(job, "no longer needed")
        end = await asyncio.wait_for(end, 30)
        print(f"job {job} {end['status']}: {end['details']}")
        return 0 if end["status"] == "canceled" else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: jobs.py FILE    (FILE as the worker sees it)")
    try:
        sys.exit(asyncio.run(main(sys.argv[1])))
    except TimeoutError:
        sys.exit("nothing came within 30 s; are a broker, a server and a worker there?")
    except (aio_pika.exceptions.AMQPError, aio_pika.exceptions.DeliveryError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
