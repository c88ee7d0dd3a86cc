"""How the fuzzer reads the documents in the short run, and what it takes for a failure although the contract says so:
each case as narrow as it can be said."""

import datetime
import json
import os

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import (
    AllowHeaderMismatch,
    RejectedPositiveData,
    UnsupportedMethodResponse,
)

# How many of a long list of words are tried one by one in the short run.
WORDS_MAX = 4


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Each word of each list of codes in each place is a case, and so is each name of the same JSON: hours of them."""
    if os.environ.get("PATRON_TEST_LONG") != "1":
        thin(raw_schema)
    # Where an id is said in the body as well, it is that of the path, which no schema says: it is left out here.
    changes = raw_schema["components"].get("schemas", {}).get("ClientChanges", {})
    changes.get("properties", {}).pop("id", None)


def thin(value):
    """Shortens long lists of words, and leaves one name to each form of a body."""
    if isinstance(value, list):
        for item in value:
            thin(item)
    elif isinstance(value, dict):
        words = value.get("enum")
        if isinstance(words, list) and len(words) > 3 * WORDS_MAX:
            value["enum"] = words[:WORDS_MAX]
        content = value.get("content")
        if isinstance(content, dict):
            forms = {json.dumps(content[name].get("schema")): name for name in reversed(content)}
            value["content"] = {name: content[name] for name in content if name in forms.values()}
        for member in value.values():
            thin(member)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Says whether a failure is one."""
    if isinstance(failure, RejectedPositiveData):
        return not any(excuse(case, response) for excuse in REJECTIONS)
    if isinstance(failure, AcceptedNegativeData):
        return not is_form(case, response) and not is_given(case)
    if isinstance(failure, AllowHeaderMismatch):
        return not is_shared_path(case)
    if isinstance(failure, UnsupportedMethodResponse):
        return not (is_shared_path(case) and case.method.upper() == "PUT")
    return True


def is_condition(case, response):
    """No schema says which entity tags a customer still has: `If-Match` is judged by what is stored."""
    sent = {name.lower() for name in case.headers or {}}
    return response.status_code == 412 and "if-match" in sent


def is_taken(case, response):
    """A reference that another customer has is a 400 in one vendor's format, where others have a 409."""
    return response.status_code == 400 and answered(response).get("error_code") == "unique"


def is_whole_float(case, response):
    """JSON Schema takes 1.0 for an integer. Where digits are meant, there is no point among them."""
    error = answered(response).get("error_info") or {}
    wrong = {field["field_name"] for field in error.get("fields") or []}
    return bool(wrong) and all(isinstance(said(case, name), float) for name in wrong)


def is_other_id(case, response):
    """No schema says that the id in a body is the one in the path."""
    return (
        answered(response).get("code") == "VAL003"
        and said(case, "id") is not None
        and said(case, "id") != (case.path_parameters or {}).get("id")
    )


def is_about_others(case, response):
    """What one value of a client has to do with others, or with today, no schema says."""
    wrong = (answered(response).get("details") or {}).get("fields") or []
    return bool(wrong) and all(is_beyond_schemas(case, name) for name in wrong)


def is_beyond_schemas(case, name):
    """Whether a value that fits its schema is wrong all the same."""
    value = said(case, name)
    match name:
        case "dateOfBirth":
            # Nobody is born tomorrow.
            today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
            return isinstance(value, str) and value > today
        case "billingAddress" if isinstance(said(case, "address"), dict):
            # It is said twice: an address in parts is the billing address.
            return True
        case "address" | "billingAddress" | "shippingAddress":
            # The parts of an address are at most 255 characters together.
            parts = ["street", "city", "state", "zipCode", "country"]
            given = [value.get(part) for part in parts] if isinstance(value, dict) else []
            return len(", ".join(part for part in given if part)) > 255
        case "notificationSettings":
            return is_repeated(value, "notificationType")
        case "consents":
            return is_repeated(value, "purpose") or any(map(is_in_future, value or []))
    return False


def is_in_future(consent):
    """Whether a consent is given later than now. What Python cannot read lies before its years or in a leap second."""
    try:
        at = datetime.datetime.fromisoformat((consent.get("at") or "").upper())
    except (AttributeError, ValueError):
        return False
    return at > datetime.datetime.now(datetime.timezone.utc)


def is_repeated(items, key):
    """Whether two items of a list are about the same thing."""
    keys = [item.get(key) for item in items] if isinstance(items, list) else []
    return len(set(keys)) < len(keys)


def is_any_later(items, key):
    """Whether something is said to have happened after now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    moments = [str(item.get(key)) for item in items] if isinstance(items, list) else []
    for moment in moments:
        try:
            read = datetime.datetime.fromisoformat(moment.upper().replace("Z", "+00:00"))
        except ValueError:
            continue
        if read > now:
            return True
    return False


def is_past(case, response):
    """No schema says that a key does not end before it is made."""
    wrong = [error["field"] for error in answered(response).get("errors") or []]
    return wrong == ["expiresAt"] and isinstance(said(case, "expiresAt"), str)


REJECTIONS = [is_condition, is_taken, is_whole_float, is_other_id, is_about_others, is_past]


def is_form(case, response):
    """Random bytes under the name of JSON are a form to one vendor, in whose format the body decides what it is."""
    return isinstance(case.body, bytes) and answered(response).get("object") == "customer"


def is_given(case):
    """What was made wrong in a path is right again where the configuration names what is to stand there."""
    data = case.meta.phase.data if case.meta else None
    if getattr(data, "parameter_location", None) not in (ParameterLocation.PATH, None):
        return False
    in_path = case.path_parameters or {}
    changed = {data.parameter} if data.parameter else {one.parameter for one in data.mutations}
    return all(str(in_path.get(name)) in GIVEN for name in changed or in_path)


# The names and numbers that stand in the configurations.
GIVEN = {"device", "fuzzed", "juspay", "1", "2", "3"}


def is_shared_path(case):
    """At the one path where two wires meet, each has and names its own methods."""
    return case.path == "/customers/{id}"


def said(case, name):
    """What the body says under a name."""
    return case.body.get(name) if isinstance(case.body, dict) else None


def answered(response):
    """The object that was answered; empty where it is none."""
    try:
        value = json.loads(response.content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
