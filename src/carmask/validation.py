"""What is wrong with a value of a setting, in the words of whoever wrote it: pydantic's are a programmer's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

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


class Settings(BaseModel):
    """A table of settings: no other keys, and no truth values in place of numbers, which pydantic takes for 0 and 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, value: object, info: ValidationInfo) -> object:
        kinds = [*_kinds(cls.model_fields[info.field_name or ""].annotation)]
        given = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(one, bool) for one in given) and bool not in kinds and (int in kinds or float in kinds):
            raise ValueError(_WORDS["float_type" if float in kinds else "int_type"])
        return value


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is made of: int of ``tuple[int, int] | None``, among others."""
    yield annotation
    for inner in get_args(annotation):
        yield from _kinds(inner)


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
