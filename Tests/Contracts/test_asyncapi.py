"""What holds documents and messages against each other finds what is wrong: each of these is spoiled in one place.

    python -m unittest test_asyncapi
"""

import base64
import copy
import json
import unittest

from asyncapi import Document

GOOD = Document()
JOB = "0190a0a0-0000-7000-8000-000000000001"


def example(name, payload=None):
    message = GOOD.at(f"#/components/messages/{name}")
    example = copy.deepcopy(message["examples"][0])
    return example.get("headers", {}), payload or example["payload"]


def record(exchange, key, properties, headers, payload):
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return {
        "exchange": exchange,
        "routing_key": key,
        "properties": properties,
        "headers": headers,
        "body": base64.b64encode(body).decode(),
    }


def job(headers=None, payload=None, **properties):
    return record("jobs.submit", "", {"type": "files:checksum", **properties}, headers or {}, payload or {})


def end(**changes):
    headers, payload = example("endedJob")
    payload.update(changes)
    properties = {"type": "warren.job", "content_type": "application/json", "delivery_mode": 2, "message_id": JOB}
    return record("", "amq.gen-x", properties, headers, payload)


def event(key="waiting.compute.files.checksum", **changes):
    headers, payload = example("event")
    payload.update(changes)
    properties = {"type": "warren.event", "content_type": "application/json", "delivery_mode": 1}
    return record("jobs.events", key, properties, headers, payload)


def dead(**changes):
    headers, payload = example("deadLetter")
    headers = {name: value for name, value in {**headers, **changes}.items() if value is not None}
    return record("jobs.dead", "", {"delivery_mode": 2}, headers, payload)


class MessageTests(unittest.TestCase):
    def good(self, message, name):
        self.assertEqual(GOOD.check(message), (name, []))

    def bad(self, message, word):
        problems = GOOD.check(message)[1]
        self.assertTrue(problems, message)
        self.assertIn(word, "; ".join(problems))

    def test_what_is_right_is_recognised(self):
        self.good(job(), "job")
        self.good(job({"max-retries": "3"}, b""), "job")
        self.good(end(), "endedJob")
        self.good(end(result={"any": ["thing"]}, error="x", context={"a": "b"}), "endedJob")
        self.good(event(), "event")
        self.good(end(retry_of=JOB), "endedJob")
        self.good(dead(), "deadLetter")
        self.good(dead(**{"x-warren-reason": "forbidden", "x-warren-user": "shop"}), "deadLetter")
        self.good(dead(**{"x-warren-reason": "invalid-params", "x-warren-errors": "[]"}), "deadLetter")
        self.good(job(user_id="shop"), "job")
        self.good(record("jobs.dead", "", {"delivery_mode": 2}, {"x-death": [{}]}, b"\xff"), "thrownOut")
        headers, payload = example("cloudEvent")
        self.good(record("jobs.submit", "", {}, headers, payload), "cloudEvent")
        headers, payload = example("structuredCloudEvent")
        properties = {"content_type": "application/cloudevents+json"}
        self.good(record("jobs.submit", "", properties, headers, payload), "structuredCloudEvent")

    def test_wrong_job_messages_are_found(self):
        self.bad(job(type="checksum"), "type")
        self.bad(job(message_id="17"), "message_id")
        self.bad(job({"idempotency-key": ""}), "idempotency-key")
        self.bad(job({"max-retries": -1}), "max-retries")
        self.bad(job({"backoff": "quadratic"}), "backoff")
        self.bad(job({"cloudEvents_id": "1"}), "headers")
        self.bad(job(payload=b"{"), "object")
        self.bad(job(payload=b"[]"), "object")
        self.bad(job(reply_to="jobs.dead"), "reply_to")
        self.bad(job(user_id=""), "user_id")

    def test_wrong_messages_of_the_server_are_found(self):
        self.bad(end(status="running"), "status")
        self.bad(end(progress=101), "progress")
        self.bad(end(created_at="now"), "created_at")
        self.bad(end(surprise=1), "surprise")
        self.bad(end(context={}), "context")
        self.bad(event(to="done"), "to")
        self.bad(event(key="waiting.compute.checksum"), "routing key")
        self.bad(event(surprise=1), "surprise")
        self.bad(dead(**{"x-warren-reason": "mood"}), "x-warren-reason")
        self.bad(dead(**{"x-warren-explanation": None}), "x-warren-explanation")
        self.bad(dead(**{"x-warren-errors": "[]"}), "headers")
        self.bad(end(retry_of=None), "retry_of")
        properties = {"type": "warren.answer", "content_type": "application/json", "delivery_mode": 1}
        self.bad(record("", "amq.gen-x", properties, {}, {"jobs": [{"id": JOB}]}), "jobs/0")
        self.bad(record("", "amq.gen-x", properties, {}, {"error": ""}), "error")

    def test_what_has_to_be_refused_must_not_fit_a_schema(self):
        self.bad(job(app_id="malformed"), "describe what the server refuses")
        self.good(job({"jitter": 2}, app_id="malformed"), "malformed")

    def test_what_is_between_server_and_workers_is_not_looked_at(self):
        self.good(record("jobs", "compute", {"type": "warren.ticket"}, {}, b""), None)


class DocumentTests(unittest.TestCase):
    def spoiled(self, spoil):
        content = copy.deepcopy(GOOD.content)
        spoil(content)
        return "\n".join(Document(content).problems())

    def test_the_document_is_right(self):
        self.assertEqual(list(GOOD.problems()), [])

    def test_faults_are_found(self):
        def move(content):
            message = {"$ref": "#/channels/events/messages/event"}
            content["operations"]["takeJob"]["messages"][0] = message

        for spoil, word in [
            (lambda c: c.pop("info"), "info"),
            (lambda c: c["operations"]["takeJob"].pop("channel"), "channel"),
            (lambda c: c["channels"]["events"]["bindings"]["amqp"].pop("exchange"), "exchange"),
            (lambda c: c["channels"]["events"]["parameters"].pop("queue"), "address"),
            (lambda c: c["components"]["schemas"].pop("uuid"), "#/components/schemas/uuid is not there"),
            (lambda c: c["components"]["schemas"].update(lonely={}), "lonely is not used"),
            (lambda c: c["components"]["schemas"]["name"].update(type="word"), "name is no schema"),
            (lambda c: c["components"]["schemas"]["jobType"].update(examples=["x"]), "its example"),
            (lambda c: c["components"]["messages"]["event"].pop("examples"), "has no example"),
            (lambda c: c["components"]["messages"]["event"]["examples"][0]["payload"].pop("to"), "'to' is a required"),
            (lambda c: c["operations"].pop("tellEvent"), "no operation takes or sends"),
            (move, "is no message of its channel"),
        ]:
            self.assertIn(word, self.spoiled(spoil))


if __name__ == "__main__":
    unittest.main()
