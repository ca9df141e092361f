"""`docs/reference/api.md`, made from the OpenAPI document: `python -m gateway.api.reference > docs/reference/api.md`."""

from __future__ import annotations

from typing import Any, cast

from gateway.api.app import make_app
from gateway.api.view import GatewayView


def reference() -> str:
    """The page. No gateway is asked: only the routes' descriptions are read."""
    document = make_app(cast(GatewayView, None)).openapi()
    lines = [
        "# HTTP API",
        "",
        "Made from the OpenAPI document (`/api/v1/openapi.json`) by `python -m gateway.api.reference`; do not edit.",
        "",
    ]
    lines += [document["info"]["description"].strip(), ""]
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            lines += _operation(path, verb.upper(), operation)
    lines += ["# Shapes", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        if "properties" in schema and name not in ("HTTPValidationError", "ValidationError"):
            lines += _shape(name, schema)
    return "\n".join(lines).rstrip() + "\n"


def _operation(path: str, verb: str, operation: dict[str, Any]) -> list[str]:
    lines = [f"## {verb} {path}", "", f"{operation['summary']}. {operation.get('description', '')}".strip(), ""]
    parameters = operation.get("parameters", [])
    if parameters:
        lines += ["| Parameter | In | Type | Default | Meaning |", "| --- | --- | --- | --- | --- |"]
        for parameter in parameters:
            schema = parameter["schema"]
            default = f"`{schema['default']}`" if schema.get("default") is not None else ""
            meaning = parameter.get("description", "")
            lines.append(f"| `{parameter['name']}` | {parameter['in']} | {_type(schema)} | {default} | {meaning} |")
        lines.append("")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        lines += [f"Body: {_type(body)}.", ""]
    for status, answer in operation["responses"].items():
        kinds = []
        for media, content in answer.get("content", {}).items():
            kinds.append(f"{_type(content['schema'])} as `{media}`" if content.get("schema") else f"`{media}`")
        description = answer["description"] if answer["description"] != "Successful Response" else "Done."
        lines.append(f"- **{status}** {description}" + (f" {'; '.join(kinds)}." if kinds else ""))
    return [*lines, ""]


def _shape(name: str, schema: dict[str, Any]) -> list[str]:
    lines = [f"## {name}", "", schema.get("description", ""), "", "| Field | Type | Meaning |", "| --- | --- | --- |"]
    for field, about in schema["properties"].items():
        lines.append(f"| `{field}` | {_type(about)} | {about.get('description', '')} |")
    return [*lines, ""]


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "prefixItems" in schema:
        return f"[{', '.join(_type(part) for part in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return str(schema.get("type", "any"))


if __name__ == "__main__":
    print(reference(), end="")
