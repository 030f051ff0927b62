"""Submits a job and prints its result; then schedules one for later and cancels it: over the broker's management API.

For where nothing but HTTP gets through, and now and then a job: RabbitMQ's own documentation advises against it for more. It needs
nothing but Python, and a user with the tag `management`. The path of the URL is the virtual host, `/` where it has none.

    RABBITMQ_MANAGEMENT=http://guest:guest@127.0.0.1:15672 python jobs.py README.md
"""

import base64
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

MANAGEMENT = os.environ.get("RABBITMQ_MANAGEMENT", "http://guest:guest@127.0.0.1:15672")


class Management:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            sys.exit("RABBITMQ_MANAGEMENT must be like http://user:password@host:15672/vhost")
        self.base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/api"
        vhost = urllib.parse.unquote(parts.path[1:]) or "/"
        self.vhost = urllib.parse.quote(vhost, safe="")
        user = urllib.parse.unquote(parts.username or "guest")
        password = urllib.parse.unquote(parts.password or "guest")
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            f"{self.base}/{path}",
            method=method,
            headers=self.headers,
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read() or b"null")

    def queue(self, name):
        """A queue for what comes back; it goes when nobody has asked for it for a minute."""
        self.call(
            "PUT",
            f"queues/{self.vhost}/{name}",
            {"durable": True, "arguments": {"x-expires": 60_000}},
        )
        return name

    def publish(self, message_type, body, **properties):
        answer = self.call(
            "POST",
            f"exchanges/{self.vhost}/jobs.submit/publish",
            {
                "routing_key": "",
                "payload": json.dumps(body),
                "payload_encoding": "string",
                "properties": {
                    "type": message_type,
                    "content_type": "application/json",
                    "delivery_mode": 2,
                    **properties,
                },
            },
        )
        # That is all that it tells: the message was routed, though perhaps not written to the disk yet.
        if not answer["routed"]:
            sys.exit("the exchange jobs.submit leads to no queue; was a server of Warren ever there?")

    def submit(self, job_type, params, key, reply_to, **headers):
        """Should it fail, it may be done again with the same key: that is the same job."""
        job = str(uuid.uuid4())
        headers["idempotency-key"] = key
        self.publish(
            job_type, params, message_id=job, reply_to=reply_to, correlation_id=job, headers=headers
        )
        return job

    def cancel(self, job, reason):
        self.publish("warren.cancel", {"job": job, "reason": reason})

    def end_of(self, queue, job, seconds=30):
        """The job as it is at its end. This API tells nothing by itself: it has to be asked."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            messages = self.call(
                "POST",
                f"queues/{self.vhost}/{queue}/get",
                {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"},
            )
            for message in messages:
                if message["properties"].get("correlation_id") == job:
                    return json.loads(message["payload"])
            if not messages:
                time.sleep(0.5)
        sys.exit(f"job {job} has not ended within {seconds} s; are a server and a worker there?")


def main(path):
    api = Management(MANAGEMENT)
    replies = api.queue(f"to-jobs-management-{uuid.uuid4()}")

    job = api.submit("files:checksum", {"path": path}, f"checksum-{uuid.uuid4()}", replies)
    end = api.end_of(replies, job)
    print(f"job {job} {end['status']}: {end.get('result') or end.get('error')}")
    if end["status"] != "completed":
        return 1

    in_an_hour = int((time.time() + 3600) * 1000)
    key = f"checksum-{uuid.uuid4()}"
    job = api.submit("files:checksum", {"path": path}, key, replies, **{"scheduled-at": in_an_hour})
    api.cancel(job, "no longer needed")
    end = api.end_of(replies, job)
    print(f"job {job} {end['status']}: {end['details']}")
    return 0 if end["status"] == "canceled" else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: jobs.py FILE    (FILE as the worker sees it)")
    try:
        sys.exit(main(sys.argv[1]))
    except urllib.error.URLError as error:
        sys.exit(f"{MANAGEMENT.rpartition('@')[2]}: {error}")
