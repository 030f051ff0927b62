"""Publishes job messages, cancellations and questions of every spelling: right ones, and wrong ones of every kind.

The broker is the one of WARREN_BROKER, the server the one of WARREN_SERVER, with its file in WARREN_STORE; the job types are those of the tests. What no schema can
describe is marked with the property app_id. Prints, for who tests, the ids of the jobs that have to be there, and how many dead
letters.
"""

import json
import os
import sqlite3
import sys
import time
import urllib.request
import uuid
from decimal import Decimal

import pika
from cloudevents.core.bindings import amqp, rabbitmq
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

PATIENCE = 60
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Producer:
    def __init__(self, channel):
        self.channel = channel
        channel.confirm_delivery()
        self.replies = channel.queue_declare("", exclusive=True).method.queue
        # Of dead letters the server leaves none in its own.
        self.dead = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(self.dead, "jobs.dead")
        self.refused = 0
        self.jobs = []
        self.came = {}

    def publish(self, exchange, key, body, properties):
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        properties.setdefault("delivery_mode", 2)
        self.channel.basic_publish(
            exchange, key, body, pika.BasicProperties(**properties), mandatory=True
        )

    def accepted(self, body, properties):
        """A job that is answered."""
        number = f"job-{len(self.jobs)}"
        self.publish(
            "jobs.submit", "any", body, {**properties, "reply_to": self.replies, "correlation_id": number}
        )
        end = self.answer(number)
        assert end["status"] == "completed", end
        self.jobs.append(end["id"])
        return end

    def completed(self, body, properties):
        """A job of which nothing is to be told any more, so that nobody writes it again."""
        job = str(uuid.uuid4())
        self.publish("jobs.submit", "", body, {**properties, "message_id": job})
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            shown = self.ask({"get": [job]}, f"state of {job}")["jobs"][0]
            if shown and shown["status"] == "completed":
                return job
            self.channel.connection.sleep(0.1)
        sys.exit(f"job {job} does not complete")

    def malformed(self, body, properties):
        self.refused += 1
        self.publish("jobs.submit", "", body, {**properties, "app_id": "malformed"})

    def refuse(self, body, properties, exchange="jobs.submit", key=""):
        """What looks right, and cannot be accepted."""
        self.refused += 1
        self.publish(exchange, key, body, properties)

    def ask(self, body, number, **properties):
        properties = {"reply_to": self.replies, "correlation_id": number, **properties}
        self.publish("jobs.requests", "", body, {"delivery_mode": 1, "expiration": "60000", **properties})
        return self.answer(number)

    def answer(self, number):
        deadline = time.monotonic() + PATIENCE
        # Answers and ends come in any order.
        while number not in self.came and (left := deadline - time.monotonic()) > 0:
            message = next(self.channel.consume(self.replies, auto_ack=True, inactivity_timeout=left))
            method, properties, body = message
            if method:
                self.came[properties.correlation_id] = json.loads(body)
        if number in self.came:
            return self.came.pop(number)
        sys.exit(f"nothing came for {number}")

    def wait_for_dead_letters(self):
        deadline = time.monotonic() + PATIENCE
        count = None
        while time.monotonic() < deadline:
            count = self.channel.queue_declare(self.dead, passive=True).method.message_count
            if count >= self.refused:
                return count
            self.channel.connection.sleep(0.1)
        sys.exit(f"{count} dead letters of {self.refused}")


def http(method, path):
    request = urllib.request.Request(os.environ["WARREN_SERVER"] + path, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return response.status


def tear(job):
    """Leaves a job in the store that cannot be read, as a fault of the disk may."""
    with sqlite3.connect(os.environ["WARREN_STORE"], timeout=PATIENCE) as store:
        store.execute("PRAGMA ignore_check_constraints = ON")
        store.execute("UPDATE job SET retries = -1 WHERE id = ?", [uuid.UUID(job).bytes])


def jobs(producer, path):
    note = {"type": "files:note"}
    producer.accepted("", note)
    producer.accepted({}, {**note, "content_type": "application/json"})
    producer.accepted({"number": 7}, {"headers": {"type": "files:note"}})
    producer.accepted(
        {"number": 7},
        {
            **note,
            "message_id": str(uuid.uuid4()),
            "priority": 200,
            "headers": {
                "idempotency-key": "order-17",
                "tenant-id": str(uuid.UUID(int=0)),
                "user-id": str(uuid.uuid4()).upper(),
                "scheduled-at": int(time.time() * 1000),
                "timeout-sec": 60,
                "max-retries": "2",
                "retry-delay-sec": Decimal("0.5"),
                "backoff": "linear",
                "max-retry-delay-sec": "60.5",
                "jitter": Decimal("0.25"),
                "traceparent": TRACE,
                "context-request-id": "17",
            },
        },
    )
    checksum = {"path": path}
    attributes = {"type": "files:checksum", "source": "/orders", "subject": "a", "traceparent": TRACE}
    for number, separator in enumerate(["cloudEvents:", "cloudEvents_", "ce-"]):
        event = {**attributes, "specversion": "1.0", "id": f"by-hand-{number}"}
        headers = {separator + name: value for name, value in event.items()}
        end = producer.accepted(checksum, {"content_type": "application/json", "headers": headers})
        assert end["context"]["ce-id"] == f"by-hand-{number}", end
        # Delivered again, it is the same.
        assert producer.accepted(checksum, {"headers": headers})["id"] == end["id"]
        producer.jobs.pop()
    # As the CloudEvents project's own library writes them.
    event = CloudEvent({**attributes, "id": "sdk-1", "datacontenttype": "application/json"}, checksum)
    message = amqp.to_binary(event, JSONFormat())
    producer.accepted(
        message.application_data,
        {"content_type": message.properties["content-type"], "headers": message.application_properties},
    )
    event = CloudEvent({**attributes, "id": "sdk-2", "datacontenttype": "application/json"}, checksum)
    message = rabbitmq.to_binary(event, JSONFormat())
    producer.accepted(message.body, {"content_type": message.content_type, "headers": message.headers})
    event = CloudEvent({**attributes, "id": "sdk-3", "datacontenttype": "application/json"}, checksum)
    message = rabbitmq.to_structured(event, JSONFormat())
    producer.accepted(message.body, {"content_type": message.content_type})


def cancellations(producer):
    def schedule(**headers):
        job = str(uuid.uuid4())
        later = int((time.time() + 3600) * 1000)
        properties = {"type": "files:note", "message_id": job, "reply_to": producer.replies, "correlation_id": job}
        producer.publish("jobs.submit", "", {}, {**properties, "headers": {"scheduled-at": later, **headers}})
        return job

    def ended(job):
        end = producer.answer(job)
        assert (end["status"], end["details"]) == ("canceled", "no longer needed"), end

    cancel = {"type": "warren.cancel", "content_type": "application/json"}
    job = schedule()
    producer.publish("jobs.submit", "", {"job": job, "reason": "no longer needed"}, {**cancel})
    ended(job)
    job = schedule()
    headers = {"headers": {"type": "warren.cancel"}}
    producer.publish("jobs.submit", "", {"job": job, "reason": "no longer needed"}, headers)
    ended(job)
    job = schedule(**{"idempotency-key": "order-18"})
    body = {"job": str(uuid.uuid4()), "idempotency_key": "order-18", "reason": "no longer needed"}
    producer.publish("jobs.submit", "", body, {**cancel})
    ended(job)
    producer.refuse({"job": str(uuid.uuid4()), "reason": None}, {**cancel})
    for body in [{"job": 1}, {}, [], {"job": job, "raeson": "x"}, {"job": job, "reason": "x" * 1001}, "{"]:
        producer.malformed(body, {**cancel})


def questions(producer):
    job, nobody = producer.jobs[0], str(uuid.uuid4())
    answer = producer.ask({"get": [job, nobody]}, "get")
    assert answer["jobs"][0]["id"] == job and answer["jobs"][1] is None, answer
    assert answer["unknown"] == [nobody], answer
    assert producer.ask({"get_key": "order-17"}, "key")["jobs"][0]
    assert producer.ask({"get_key": "order-99"}, "no key")["jobs"] == [None]
    assert producer.ask({"watch": job}, "watch")["jobs"][0]["status"] == "completed"
    tenant = {"headers": {"tenant-id": str(uuid.uuid4())}}
    assert producer.ask({"get": [job]}, "tenant", **tenant)["jobs"] == [None]
    assert producer.ask({"tell_end": [job]}, "tell")["jobs"][0]["id"] == job
    assert producer.answer(job)["id"] == job
    for number, body in enumerate(
        [{}, [], "{", {"get": "all"}, {"get": []}, {"get": ["x"]}, {"get": [job], "watch": job}, {"wtach": job},
         {"watch": job, "seconds": 301}, {"get": [job], "seconds": 1}, {"get_key": ""}]
    ):
        assert "error" in producer.ask(body, f"wrong-{number}", app_id="malformed")


def wrong_jobs(producer):
    note = {"type": "files:note"}
    for properties in [
        {},
        {"type": "note"},
        {"type": "files:"},
        {"type": "files:" + "x" * 65},
        {"headers": {"type": "note"}},
        {**note, "message_id": "17"},
        {**note, "reply_to": "jobs.reports"},
    ]:
        producer.malformed({}, properties)
    for name, value in [
        ("idempotency-key", ""),
        ("idempotency-key", "x" * 256),
        ("idempotency-key", 17),
        ("tenant-id", "x"),
        ("user-id", 7),
        ("scheduled-at", "soon"),
        ("scheduled-at", -1),
        ("scheduled-at", 253402300800000),
        ("timeout-sec", -1),
        ("timeout-sec", "1m"),
        ("max-retries", 1_000_001),
        ("max-retries", Decimal("1.5")),
        ("retry-delay-sec", []),
        ("backoff", "quadratic"),
        ("max-retry-delay-sec", True),
        ("jitter", Decimal("1.5")),
        ("webhooks", 17),
        ("context-request-id", 17),
        ("context-Request", "17"),
        ("context-request-id", "x" * 4097),
    ]:
        producer.malformed({}, {**note, "headers": {name: value}})
    for body in ["{", "[1]", "17", b"\xff", "{} {}"]:
        producer.malformed(body, {**note})
    event = {"specversion": "1.0", "type": "files:checksum", "source": "/orders", "id": "wrong"}
    for change in [
        {"specversion": "0.3"},
        {"type": "com.example.order"},
        {"source": ""},
        {"source": "a b"},
        {"id": None},
        {"Subject": "x"},
    ]:
        attributes = {name: value for name, value in {**event, **change}.items() if value is not None}
        producer.malformed({}, {"headers": {f"cloudEvents_{name}": value for name, value in attributes.items()}})
        if "Subject" in change:
            change["sub ject"] = change.pop("Subject")
        producer.malformed({**event, **change}, {"content_type": "application/cloudevents+json"})
    headers = {f"cloudEvents_{name}": value for name, value in event.items()}
    producer.malformed({}, {"headers": {**headers, "ce-subject": "x"}})
    producer.malformed({}, {"content_type": "text/plain", "headers": headers})
    producer.malformed({}, {"content_type": "application/cloudevents-batch+json", "headers": headers})
    for data in [{"data": [1]}, {"data": "x"}, {"data_base64": "e30="}]:
        producer.malformed({**event, **data}, {"content_type": "application/cloudevents+json"})

    # What a schema of messages cannot know.
    producer.refuse({}, {"type": "files:wordcuont"})
    producer.refuse({}, {**note, "headers": {"webhooks": "nobody"}})
    producer.refuse({}, {"type": "files:note", "headers": headers})
    producer.refuse({"nmuber": 7}, {**note})
    producer.refuse({"number": "x" * (1 << 20)}, {**note})
    producer.refuse({"number": 8}, {**note, "headers": {"idempotency-key": "order-17"}})
    producer.refuse({"number": 8}, {**note, "message_id": producer.jobs[0]})
    gone = producer.accepted({}, {**note})["id"]
    producer.jobs.pop()
    assert http("DELETE", f"/jobs/{gone}") == 202
    producer.refuse({}, {**note, "message_id": gone})
    torn = producer.completed({}, {**note})
    tear(torn)
    producer.refuse({}, {**note, "message_id": torn})
    producer.refuse("what is this?", {"type": "a letter"}, "", "jobs.reports")
    producer.refuse("what is this?", {"type": "a letter"}, "", "jobs.compute")


def main(path):
    with pika.BlockingConnection(pika.URLParameters(os.environ["WARREN_BROKER"])) as connection:
        producer = Producer(connection.channel())
        jobs(producer, path)
        cancellations(producer)
        questions(producer)
        wrong_jobs(producer)
        dead = producer.wait_for_dead_letters()
        # Nothing of what is wrong has held up what is right.
        producer.accepted({}, {"type": "files:note"})
        print(json.dumps({"jobs": producer.jobs, "refused": producer.refused, "dead": dead}))


if __name__ == "__main__":
    main(sys.argv[1])
