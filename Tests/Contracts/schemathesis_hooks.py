"""What a document cannot say of a request, so that what is generated as valid is valid.

Nothing here touches a request that was made to be wrong.
"""

import re

import schemathesis

# The job types of the server that is tested (warren.yaml), with params that fit.
TYPES = {
    "files:checksum": {"path": "README.md"},
    "files:wordcount": {"path": "README.md"},
    "files:compress": {"path": "README.md", "levels": 1},
    "tests:pause": {"seconds": 1},
}
TYPE = re.compile(r"[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9_-]+)+")


def is_operation(context, label):
    return context.operation is not None and context.operation.label == label


@schemathesis.hook
def map_body(context, body):
    """Which types there are, and what params they take, only the server knows; and that what is looked at is not deleted."""
    if is_operation(context, "POST /jobs"):
        return with_known_type(body)
    if is_operation(context, "POST /jobs/batch") and isinstance(body, list):
        return [with_known_type(entry) for entry in body]
    if is_operation(context, "POST /jobs/bulk") and isinstance(body, dict):
        # Whoever follows the links of a job does not expect that others delete it.
        if body.get("action") == "delete" and isinstance(body.get("dry_run"), (bool, type(None))):
            return {**body, "dry_run": True}
    return body


def with_known_type(body):
    if not isinstance(body, dict):
        return body
    name, params = body.get("type"), body.get("params")
    if not isinstance(name, str) or not TYPE.fullmatch(name) or not isinstance(params, (dict, type(None))):
        return body
    webhooks = body.get("webhooks")
    if webhooks is not None and not (isinstance(webhooks, list) and all(isinstance(webhook, str) for webhook in webhooks)):
        return body
    if name not in TYPES:
        name = sorted(TYPES)[len(name) % len(TYPES)]
    # This server has no webhook endpoints.
    fitting = {**body, "type": name, "params": TYPES[name]}
    fitting.pop("webhooks", None)
    return fitting


@schemathesis.hook
def map_query(context, query):
    """Which parameters of a list exclude each other; and that waits are to be short, so that there is time for more."""
    if is_operation(context, "GET /jobs/{id}/wait"):
        timeout = (query or {}).get("timeout", 30)
        is_valid = isinstance(timeout, (int, float)) and 0 <= timeout <= 60
        return {**(query or {}), "timeout": min(timeout, 0.2)} if is_valid else query
    if not is_operation(context, "GET /jobs") or not query:
        return query
    if "idempotency_key" in query:
        return {"idempotency_key": query["idempotency_key"]}
    if "after" in query:
        return {name: value for name, value in query.items() if name not in ("page", "order")}
    return query


@schemathesis.hook
def map_case(context, case):
    """Which key is meant where header and body have one each."""
    has_key = is_operation(context, "POST /jobs") or is_operation(context, "POST /jobs/bulk")
    if has_key and case.meta.generation.mode.is_positive and isinstance(case.body, dict):
        if case.body.get("idempotency_key") is not None and "Idempotency-Key" in (case.headers or {}):
            del case.headers["Idempotency-Key"]
    return case
