"""What the fuzzer takes for a failure although the contract says so: each case as narrow as it can be said."""

import json

import schemathesis
from schemathesis.core.mutations import OperatorKind
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import AllowHeaderMismatch, RejectedPositiveData
from schemathesis.core.failures import AcceptedNegativeData


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Says whether a failure is one."""
    return not any(excuse(failure, case, response) for excuse in EXCUSES)


def is_condition(failure, case, response):
    """No schema says which entity tags a customer still has: `If-Match` is judged by what is stored."""
    sent = {name.lower() for name in case.headers or {}}
    return (
        isinstance(failure, RejectedPositiveData)
        and response.status_code == 412
        and "if-match" in sent
    )


def is_taken(failure, case, response):
    """A reference that another customer has is a 400 in one vendor's format, where others have a 409."""
    return (
        isinstance(failure, RejectedPositiveData)
        and response.status_code == 400
        and answered(response).get("error_code") == "unique"
    )


def is_whole_float(failure, case, response):
    """JSON Schema takes 1.0 for an integer. Where digits are meant, there is no point among them."""
    if not isinstance(failure, RejectedPositiveData) or not isinstance(case.body, dict):
        return False
    error = answered(response).get("error_info") or {}
    wrong = {field["field_name"] for field in error.get("fields") or []}
    return bool(wrong) and all(isinstance(case.body.get(name), float) for name in wrong)


def is_form(failure, case, response):
    """Random bytes under the name of JSON are a form to one vendor, in whose format the body decides what it is."""
    component = case.meta.components.get(ParameterLocation.BODY) if case.meta else None
    mutations = getattr(getattr(component, "metadata", None), "mutations", ())
    return (
        isinstance(failure, AcceptedNegativeData)
        and "error_info" not in answered(response)
        and answered(response).get("object") == "customer"
        and any(mutation.operator == OperatorKind.SYNTAX_FUZZING for mutation in mutations)
    )


def is_other_id(failure, case, response):
    """No schema says that the id in a body is the one in the path."""
    return (
        isinstance(failure, RejectedPositiveData)
        and answered(response).get("code") == "VAL003"
        and isinstance(case.body, dict)
        and "id" in case.body
        and case.body["id"] != (case.path_parameters or {}).get("id")
    )


def is_shared_path(failure, case, response):
    """At the one path where two wires meet, each names its own methods."""
    return isinstance(failure, AllowHeaderMismatch) and case.path == "/customers/{id}"


EXCUSES = [is_condition, is_taken, is_whole_float, is_form, is_other_id, is_shared_path]


def answered(response):
    """The object that was answered; empty where it is none."""
    try:
        value = json.loads(response.content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
