"""Types of JSON values."""

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
"""Whatever `json.loads` gives."""

JsonObject = dict[str, JsonValue]
"""A JSON object by key."""
