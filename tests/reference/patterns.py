"""Wildcards: text with `*` and `?` against text, where expanded variables are literal (R1.1, R5.20, R5.23, R5.31)."""

# A pattern is a list of (character, literal). A literal `*` comes from `${*}` or from a variable's value.
Pattern = list[tuple[str, bool]]


def plain(text: str) -> Pattern:
    """Text as written in a policy: `*` and `?` are wildcards."""
    return [(character, False) for character in text]


def literal(text: str) -> Pattern:
    """Text that came out of a variable: nothing in it is a wildcard (R5.31)."""
    return [(character, True) for character in text]


def text_of(pattern: Pattern) -> str:
    """The characters of a pattern, for operators that know no wildcards."""
    return "".join(character for character, _ in pattern)


def glob(pattern: Pattern, text: str) -> bool:
    """`*` is any run of characters, `?` is one; reached positions are tracked, so no pattern is slow."""
    positions = {0}
    for character, is_literal in pattern:
        if character == "*" and not is_literal:
            positions = set(range(min(positions), len(text) + 1)) if positions else set()
        elif character == "?" and not is_literal:
            positions = {position + 1 for position in positions if position < len(text)}
        else:
            positions = {at + 1 for at in positions if at < len(text) and text[at] == character}
    return len(text) in positions


def arn_parts(pattern: Pattern) -> list[Pattern]:
    """Split at the first five colons (R5.23)."""
    parts: list[Pattern] = [[]]
    for character, is_literal in pattern:
        if character == ":" and len(parts) < 6:
            parts.append([])
        else:
            parts[-1].append((character, is_literal))
    return parts


def arn_like(pattern: Pattern, arn: str) -> bool:
    """Each of six parts with wildcards; a pattern or a value with fewer parts never matches (R5.23)."""
    wanted, given = arn_parts(pattern), arn.split(":", 5)
    if len(wanted) != 6 or len(given) != 6:
        return False
    return all(glob(part, text) for part, text in zip(wanted, given, strict=True))


def action_matches(pattern: str, action: str) -> bool:
    """Case-insensitive, wildcards anywhere after the service prefix, or a bare `*` (R1.1)."""
    if pattern == "*":
        return True
    service, _, name = pattern.partition(":")
    wanted_service, _, wanted = action.partition(":")
    return service.lower() == wanted_service.lower() and glob(plain(name.lower()), wanted.lower())
