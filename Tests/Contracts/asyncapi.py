"""Holds docs/asyncapi.yaml against the rules of AsyncAPI, and messages off the wire against docs/asyncapi.yaml.

    asyncapi.py document                 the document: its structure, references, schemas and examples
    asyncapi.py messages FILE [PREFIX]   messages as wire.py has written them

Prints what is wrong, a line each, and ends with 1 if anything is. Of messages it prints as JSON what there was.
"""

import base64
import collections
import json
import pathlib
import re
import sys
import warnings

import jsonschema
import yaml

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "asyncapi.yaml"
PARTS = ("x-properties", "headers", "payload")
# What is between the server and its workers is not part of the contract.
OWN_TYPES = {"warren.ticket", "warren.claims", "warren.locks", "warren.worker", "warren.command", "warren.lease"}


class Document:
    def __init__(self, content=None):
        self.content = yaml.safe_load(DOCUMENT.read_text()) if content is None else content

    def at(self, pointer):
        """What a reference within the document points to; KeyError if there is nothing."""
        node = self.content
        for name in pointer.removeprefix("#/").split("/"):
            node = node[name.replace("~1", "/").replace("~0", "~")]
        return node

    def resolved(self, node):
        while isinstance(node, dict) and "$ref" in node:
            node = self.at(node["$ref"])
        return node

    def errors(self, pointer, instance):
        """What is wrong with an instance of the schema there, in short."""
        schema = {**self.content, "$ref": pointer}
        validator = jsonschema.Draft7Validator(
            schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER
        )
        return [
            f"{'/'.join(map(str, error.absolute_path)) or 'it'}: {error.message[:300]}"
            for error in validator.iter_errors(instance)
        ]

    def channel_messages(self, channel):
        """Name and place of each message of a channel."""
        messages = self.content["channels"][channel]["messages"]
        return [(name, message["$ref"]) for name, message in messages.items()]

    # The document

    def problems(self):
        found = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from asyncapi3 import AsyncAPI3
        try:
            AsyncAPI3.model_validate(self.content)
        except ValueError as error:
            found.append(f"it is no AsyncAPI 3: {error}")
            return found
        found += self._references()
        found += self._operations()
        found += self._schemas()
        # Examples are only held against what is whole.
        return found or list(self._examples())

    def _nodes(self, node=None, path="#"):
        node = self.content if node is None else node
        yield path, node
        children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for name, child in children:
            if isinstance(child, (dict, list)):
                escaped = str(name).replace("~", "~0").replace("/", "~1")
                yield from self._nodes(child, f"{path}/{escaped}")

    def _references(self):
        used = set()
        for path, node in self._nodes():
            if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
                continue
            used.add(node["$ref"])
            try:
                self.at(node["$ref"])
            except (KeyError, TypeError):
                yield f"{path}: {node['$ref']} is not there"
            if len(node) > 1:
                yield f"{path}: what stands beside $ref is not looked at"
        for kind, components in self.content["components"].items():
            for name in components:
                if f"#/components/{kind}/{name}" not in used:
                    yield f"#/components/{kind}/{name} is not used"

    def _operations(self):
        used = set()
        for name, operation in self.content["operations"].items():
            for part in (operation, operation.get("reply")):
                if part is None:
                    continue
                for message in part["messages"]:
                    used.add(message["$ref"])
                    if not message["$ref"].startswith(f"{part['channel']['$ref']}/messages/"):
                        yield f"operation {name}: {message['$ref']} is no message of its channel"
        for name, channel in self.content["channels"].items():
            for message in channel["messages"]:
                if f"#/channels/{name}/messages/{message}" not in used:
                    yield f"channel {name}: no operation takes or sends the message {message}"
            names = set(re.findall(r"{(\w+)}", channel["address"] or ""))
            if names != set(channel.get("parameters", {})):
                yield f"channel {name}: its address has {names}, its parameters are others"

    def _schemas(self):
        places = [f"#/components/schemas/{name}" for name in self.content["components"]["schemas"]]
        for name, message in self.content["components"]["messages"].items():
            places += [f"#/components/messages/{name}/{part}" for part in PARTS if part in message]
            if "x-properties" not in message or "payload" not in message:
                yield f"message {name}: properties and payload have to be described"
        for place in places:
            try:
                jsonschema.Draft7Validator.check_schema(self.at(place))
            except jsonschema.SchemaError as error:
                yield f"{place} is no schema: {error.message}"

    def _examples(self):
        for path, node in self._nodes(self.content["components"]["schemas"], "#/components/schemas"):
            if not isinstance(node, dict) or "properties" == path.rpartition("/")[2]:
                continue
            examples = node.get("examples", [])
            for example in examples + ([node["default"]] if "default" in node else []):
                for error in self.errors(path, example):
                    yield f"{path}: its example {json.dumps(example)[:80]}: {error}"
        for name, message in self.content["components"]["messages"].items():
            if not message.get("examples"):
                yield f"message {name} has no example"
            for example in message.get("examples", []):
                for part in ("headers", "payload"):
                    if part in message and part not in example:
                        yield f"message {name}, example {example['name']}: it has no {part}"
                    if part in message and part in example:
                        for error in self.errors(f"#/components/messages/{name}/{part}", example[part]):
                            yield f"message {name}, example {example['name']}, {part}, {error}"

    # Messages

    def channel_of(self, record, prefix):
        """The channel through which a message went; None for Warren's own."""
        exchange, key, kind = record["exchange"], record["routing_key"], record["properties"].get("type")
        if exchange == f"{prefix}.dead":
            return "dead"
        if kind in OWN_TYPES:
            return None
        if exchange == f"{prefix}.submit" or exchange == "" and key == f"{prefix}.submit":
            return "submit"
        if exchange == f"{prefix}.events":
            return "events"
        if exchange == f"{prefix}.requests" or exchange == "" and key == f"{prefix}.requests":
            return "requests"
        if exchange == "" and kind in ("warren.job", "warren.answer"):
            return "replies"
        return None

    def matches(self, channel, record):
        """The messages of a channel that a record is one of, and what is wrong with it as each of the others."""
        body = base64.b64decode(record["body"])
        try:
            payload = json.loads(body) if body else {}
        except ValueError:
            # Of a dead letter that is right; any other schema refuses it.
            payload = f"no JSON: {body[:100]}"
        given = {"x-properties": record["properties"], "headers": record["headers"], "payload": payload}
        matching, wrong = [], {}
        for name, place in self.channel_messages(channel):
            message = self.at(place)
            errors = [
                f"{part}, {error}"
                for part in PARTS
                if part in message
                for error in self.errors(f"{place}/{part}", given[part])
            ]
            if channel in ("replies", "events"):
                errors += self.undescribed(self.at(f"{place}/payload"), payload)
            if errors:
                wrong[name] = errors
            else:
                matching.append(name)
        return matching, wrong, payload

    def undescribed(self, schema, value, path="payload"):
        """Members that the server sends and the document does not know."""
        if isinstance(value, list):
            items = [item for part in self._parts(schema) for item in [part.get("items")] if item]
            if items:
                for index, element in enumerate(value):
                    yield from self.undescribed({"allOf": items}, element, f"{path}/{index}")
        if not isinstance(value, dict):
            return
        known, patterns = collections.defaultdict(list), []
        for part in self._parts(schema):
            patterns += part.get("patternProperties", {})
            for name, property_schema in part.get("properties", {}).items():
                known[name].append(property_schema)
        if not known and not patterns:
            return
        for name, member in value.items():
            if name in known:
                yield from self.undescribed({"allOf": known[name]}, member, f"{path}/{name}")
            elif not any(re.search(pattern, name) for pattern in patterns):
                yield f"{path}: the member {name} is not described"

    def _parts(self, schema):
        """All that describe the same value."""
        schema = self.resolved(schema)
        if not isinstance(schema, dict):
            return
        yield schema
        for keyword in ("allOf", "anyOf", "oneOf"):
            for part in schema.get(keyword, []):
                yield from self._parts(part)

    def check(self, record, prefix="jobs"):
        """Name of the message, and what is wrong with a record."""
        channel = self.channel_of(record, prefix)
        if channel is None:
            return None, []
        matching, wrong, payload = self.matches(channel, record)
        # Whoever publishes what has to be refused says so.
        if channel in ("submit", "requests") and record["properties"].get("app_id") == "malformed":
            return "malformed", [f"{matching} describe what the server refuses"] if matching else []
        if len(matching) > 1:
            return matching[0], [f"{channel}: it is all of {matching}"]
        if not matching:
            # The message that it resembles most.
            name = min(wrong, key=lambda name: len(wrong[name]))
            return None, [f"{channel}: it is none of its messages; as {name}: {'; '.join(wrong[name][:3])}"]
        if channel == "events":
            group, _, name = payload["type"].partition(":")
            key = f"{payload['to']}.{payload['queue']}.{group}.{name}"
            if record["routing_key"] != key:
                return matching[0], [f"events: the routing key is {record['routing_key']}, not {key}"]
        return matching[0], []


def main(arguments):
    document = Document()
    if arguments == ["document"]:
        problems = list(document.problems())
        for problem in problems:
            print(problem)
        return 1 if problems else 0
    if len(arguments) not in (2, 3) or arguments[0] != "messages":
        sys.exit(__doc__)
    prefix = arguments[2] if len(arguments) == 3 else "jobs"
    seen, statuses, reasons, failed = collections.Counter(), set(), set(), 0
    for line in pathlib.Path(arguments[1]).read_text().splitlines():
        record = json.loads(line)
        name, problems = document.check(record, prefix)
        for problem in problems:
            failed += 1
            print(f"{problem}\n    {line[:1500]}", file=sys.stderr)
        seen[name or "other"] += 1
        if name == "event":
            statuses.add(record["routing_key"].split(".")[0])
        if name == "deadLetter":
            reasons.add(record["headers"]["x-warren-reason"])
    print(json.dumps({"messages": seen, "statuses": sorted(statuses), "reasons": sorted(reasons)}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
