"""Checks that each example of a document meets the schema beside it, and prints how many there are."""

import json
import sys

from openapi_schema_validator import OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012


def examples(value):
    """Each schema that has examples beside it, with one of them."""
    if isinstance(value, list):
        for item in value:
            yield from examples(item)
    elif isinstance(value, dict):
        if isinstance(value.get("schema"), dict):
            if "example" in value:
                yield value["schema"], value["example"]
            for named in (value.get("examples") or {}).values():
                yield value["schema"], named["value"]
        for member in value.values():
            yield from examples(member)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    resource = Resource.from_contents(document, default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:document", resource)
    found = list(examples(document))
    for schema, example in found:
        schema = json.loads(json.dumps(schema).replace('"#/components', '"urn:document#/components'))
        OAS31Validator(schema, registry=registry).validate(example)
    print(len(found))


main()
