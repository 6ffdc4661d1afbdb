"""Options of decorated functions: their keyword-only arguments, validated like configurations."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pydantic import ValidationError, create_model

from grokscope._registry import nearest
from grokscope.errors import ConfigError
from grokscope.typing import STRICT


def decode_options(
    name: str, function: Callable[..., Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options, validated against the keyword-only arguments of a function.

    Raises ConfigError with one line for each problem.
    """
    hints = get_type_hints(function, include_extras=True)
    arguments = inspect.signature(function).parameters.values()
    known = {
        a.name: (hints.get(a.name, Any), a.default) for a in arguments if a.kind is a.KEYWORD_ONLY
    }
    strange = [option for option in options if option not in known]
    if strange:
        lines = [
            f"{name}: unknown option {option!r}{nearest(option, list(known))} "
            f"(known: {', '.join(known)})"
            for option in strange
        ]
        raise ConfigError("\n".join(lines))
    model = create_model(name, __config__=STRICT, **known)  # type: ignore[call-overload]
    try:
        return {option: getattr(model(**options), option) for option in options}
    except ValidationError as error:
        lines = [
            f"{name}: {'.'.join(map(str, part['loc']))}: "
            f"{part['msg'].replace('Input should be', 'expected')}, got {part['input']!r}"
            for part in error.errors()
        ]
        raise ConfigError("\n".join(lines)) from None
