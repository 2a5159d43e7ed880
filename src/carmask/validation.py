"""What is wrong with a value of a setting, in the words of whoever wrote it: pydantic's are a programmer's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: By the type of the error (https://docs.pydantic.dev/latest/errors/validation_errors), filled in with its context.
_WORDS = {
    "string_type": "give a text in quotation marks",
    "bool_type": "give true or false",
    "bool_parsing": "give true or false",
    "float_type": "give a number",
    "float_parsing": "give a number",
    "finite_number": "give a finite number",
    "int_type": "give a whole number",
    "int_parsing": "give a whole number",
    "int_from_float": "give a whole number",
    "literal_error": "give {expected}",
    "less_than_equal": "give at most {le}",
    "less_than": "give less than {lt}",
    "greater_than_equal": "give at least {ge}",
    "greater_than": "give more than {gt}",
    "missing": "is missing",
    "too_short": "give at least {min_length}",
    "list_type": "give a list: [..., ...]",
    "tuple_type": "give a list: [..., ...]",
    "dict_type": "give a table",
}


def describe_fault(fault: ErrorDetails) -> str:
    """What should stand where a value is wrong.

    Args:
        fault: from ``ValidationError.errors()``.

    Returns:
        One line without the name of the setting.
    """
    words = _WORDS.get(fault["type"])
    if words is not None:
        context = fault.get("ctx", {})
        return words.format(
            **{key: f"{value:g}" if isinstance(value, float) else value for key, value in context.items()}
        )
    return fault["msg"].removeprefix("Value error, ")
