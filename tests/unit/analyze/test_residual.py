"""Questions built to take forever get their exact answer, or are refused as too complex: every time, and at once."""

from __future__ import annotations

from itertools import combinations

import pytest
from scanner.analyze.logic.axioms import axioms_for
from scanner.analyze.logic.cells import cells
from scanner.analyze.logic.expression import (
    TRUE,
    Expression,
    Literal,
    Origin,
    StringSet,
    Test,
    ValueType,
    Variable,
    conj,
    disj,
    neg,
)
from scanner.analyze.logic.memo import remembered
from scanner.analyze.logic.patterns import glob, literal, tokens_of
from scanner.analyze.logic.residual import (
    Outcome,
    TooComplexError,
    alternatives,
    decide_expression,
    is_possible,
    shorten,
    surely,
)
from scanner.analyze.logic.witness import find_text

Test.__test__ = False  # type: ignore[attr-defined]  # the class of the expressions, no test of pytest

CONDITIONAL = Outcome(can_be_true=True, can_be_false=True, mixed=False, sure=True)
NAMES = Variable("kms:EncryptionContextKeys", Origin.REQUEST, multivalued=True)


def context(number: int) -> Variable:
    """A key of the encryption context."""
    return Variable(f"kms:EncryptionContext:k{number}", Origin.REQUEST)


def equals(variable: Variable, text: str = "v") -> Expression:
    """The variable is exactly this text."""
    return Literal(Test(variable, StringSet((literal(tuple(text)),))))


def matches(variable: Variable, *globs: str) -> Expression:
    """The variable has a value that matches one of the wildcards."""
    return Literal(Test(variable, StringSet(tuple(glob(tokens_of(g)) for g in globs))))


def fact(name: str, origin: Origin = Origin.REQUEST) -> Expression:
    """Something that holds or not."""
    return Literal(Test(Variable(name, origin, ValueType.FLAG, reason="undocumented")))


def denies() -> list[Expression]:
    """150 statements that ask for three of forty keys each."""
    places = [(n % 40, (n * 7 + 3) % 40, (n * 11 + 5) % 40) for n in range(150)]
    return [conj(equals(context(k), f"v{n % 3}") for k in three) for n, three in enumerate(places)]


def pigeons(count: int) -> Expression:
    """More pigeons than holes: false, and no search by cases sees it soon."""
    at = {(p, h): fact(f"{p} in {h}") for p in range(count) for h in range(count - 1)}
    housed = [disj(at[p, h] for h in range(count - 1)) for p in range(count)]
    alone = [
        neg(conj((at[one, h], at[other, h]))) for h in range(count - 1) for one, other in combinations(range(count), 2)
    ]
    return conj((*housed, *alone))


def test_many_denies_over_shared_keys_are_conditional() -> None:
    assert decide_expression(neg(disj(denies()))) == CONDITIONAL


def test_many_denies_that_contradict_the_only_allow_are_never_let_through() -> None:
    allowed = conj(equals(context(k), "v0") for k in (0, 3, 5))
    assert not decide_expression(conj((allowed, neg(disj(denies()))))).can_be_true


def test_wildcards_on_a_key_with_many_values_are_decided_without_listing_their_unions() -> None:
    globs = [f"*{chr(97 + n)}*{chr(98 + n)}?" for n in range(12)]
    some, others = disj(matches(NAMES, g) for g in globs[:4]), disj(matches(NAMES, g) for g in globs[4:])
    assert decide_expression(conj((some, neg(others)))) == CONDITIONAL
    assert not decide_expression(conj((matches(NAMES, "*a*b?"), neg(matches(NAMES, "*b?"))))).can_be_true


def test_a_thousand_keys_with_their_names_are_decided() -> None:
    asked = conj(equals(context(n)) for n in range(1000))
    closed = neg(Literal(Test(NAMES, StringSet((glob(tokens_of("k*")),)), inverted=True)))
    expression = conj((asked, closed))
    assert decide_expression(expression, axioms_for(expression)) == CONDITIONAL
    expression = conj((asked, neg(matches(NAMES, "?99?"))))
    assert not decide_expression(expression, axioms_for(expression)).can_be_true


def test_question_beyond_the_bound_is_refused_every_time() -> None:
    assert not decide_expression(pigeons(4)).can_be_true
    for _ in range(2):
        with pytest.raises(TooComplexError):
            decide_expression(pigeons(11))


def test_way_that_is_too_complex_does_not_hide_another_way() -> None:
    one = Variable("one", Origin.REQUEST)
    letters = "abcdefghijklmnop"
    hard = conj(matches(one, f"*{a}*{b}*{c}?") for a, b, c in zip(letters, letters[5:], letters[3:], strict=False))
    hard = conj((hard, neg(matches(one, "*a?*", "*b??*", "*c???*"))))
    with pytest.raises(TooComplexError):
        is_possible(hard)
    assert is_possible(disj((hard, equals(context(1)))))


def both_or_neither(one: Expression, other: Expression) -> Expression:
    """A part that asks for two things both ways, so that neither can be chosen freely."""
    return disj((conj((one, other)), conj((neg(one), neg(other)))))


def hard(variable: Variable) -> Expression:
    """Wildcards on one variable that no search within the bound decides."""
    letters = "abcdefghijklmnop"
    wanted = conj(
        matches(variable, f"*{a}*{b}*{c}?") for a, b, c in zip(letters, letters[5:], letters[3:], strict=False)
    )
    return conj((wanted, neg(matches(variable, "*a?*", "*b??*", "*c???*"))))


def test_when_every_way_is_too_complex_so_is_the_question() -> None:
    with pytest.raises(TooComplexError):
        is_possible(disj((hard(context(1)), hard(context(2)))))


def test_parts_that_share_nothing_must_each_be_possible() -> None:
    a, b, c, d = map(fact, "abcd")
    assert is_possible(conj((both_or_neither(a, b), both_or_neither(c, d))))
    assert not is_possible(conj((both_or_neither(a, b), pigeons(3))))


def test_part_that_is_too_complex_does_not_hide_that_another_is_impossible() -> None:
    switch = fact("switch")
    complex_ = disj((conj((hard(context(1)), switch)), conj((hard(context(1)), neg(switch)))))
    assert not is_possible(conj((complex_, pigeons(3))))
    with pytest.raises(TooComplexError):
        is_possible(conj((complex_, both_or_neither(fact("a"), fact("b")))))


def test_answer_too_complex_to_foresee_leaves_the_other_way_open(monkeypatch: pytest.MonkeyPatch) -> None:
    settled, further, switch = matches(context(1), "*foreseen*"), matches(context(1), "*unseen*"), fact("switch")
    monkeypatch.setattr("scanner.analyze.logic.witness.MAX_TRANSITIONS", 0)
    assert is_possible(settled)
    assert is_possible(conj((settled, disj((further, switch)))))
    with pytest.raises(TooComplexError):
        is_possible(conj((settled, disj((further, switch)), disj((further, neg(switch))))))


def test_more_tests_of_one_variable_than_are_looked_ahead_are_decided_all_the_same() -> None:
    one, switch = context(1), fact("switch")
    settled = conj((matches(one, "v*"), *(neg(equals(one, f"v{n}")) for n in range(40))))
    for text, expected in (("v40", True), ("w", False)):
        ways = disj((conj((equals(one, text), switch)), conj((equals(one, text), neg(switch)))))
        assert is_possible(conj((settled, ways))) is expected


def round_robin(tests: list[Expression], a: Expression, b: Expression) -> Expression:
    """A part that asks a variable of its own both ways, beside two facts that other parts ask about."""
    following = zip(tests, tests[1:] + tests[:1], (a, b, neg(a), neg(b)), strict=False)
    return disj(conj((one, neg(other), rest)) for one, other, rest in following)


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize("bound", [2, 100_000])
def test_variable_of_one_part_alone_changes_no_answer(count: int, bound: int, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = fact("a"), fact("b")
    monkeypatch.setattr("scanner.analyze.logic.patterns.MAX_STATES", bound)
    alone = round_robin([matches(context(1), f"*{n}*{bound}") for n in range(count)], a, b)
    assert is_possible(conj((alone, both_or_neither(a, b))))
    never = conj(disj((x, y)) for x in (a, neg(a)) for y in (b, neg(b)))
    assert not is_possible(conj((alone, never)))
    alike = [matches(context(1), *(f"{bound}" + "?" * k for k in range(n)), f"{bound}{'?' * n}*") for n in range(count)]
    assert not is_possible(conj((round_robin(alike, a, b), both_or_neither(a, b))))


def test_alternative_that_contradicts_itself_is_not_listed() -> None:
    one, two = context(1), equals(context(2))
    listed = alternatives(conj((disj((equals(one, "x"), two)), disj((equals(one, "y"), two)))))
    assert [conj(found) for found in listed] == [two]


def test_data_that_always_harm_are_eliminated_without_listing_answers() -> None:
    tags = Variable("aws:PrincipalTag/x", Origin.DATA, multivalued=True, reason="caller_side_not_collected")
    harmed = disj(conj((equals(context(n)), neg(matches(tags, f"*{n}*")))) for n in range(30))
    assert surely(disj((harmed, equals(context(99))))) == equals(context(99))


def test_data_asked_both_ways_are_eliminated_exactly() -> None:
    unknown = fact("unread", Origin.DATA)
    either = disj((conj((unknown, equals(context(1)))), conj((neg(unknown), equals(context(2))))))
    assert surely(either) == conj((equals(context(1)), equals(context(2))))
    assert decide_expression(either) == Outcome(can_be_true=True, can_be_false=True, mixed=True, sure=True)


@pytest.mark.parametrize("bound", ["cells.MAX_CELLS", "patterns.MAX_STATES", "residual.MAX_LITERALS"])
def test_data_beyond_a_bound_are_not_eliminated(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = Variable(f"aws:PrincipalTag/{bound}", Origin.DATA, multivalued=True, reason="caller_side_not_collected")
    asked = [matches(tags, f"*{n}*{bound}") for n in range(3)]
    both_ways = (conj((t, equals(context(n)))) for n, t in enumerate((*asked, *map(neg, asked))))
    monkeypatch.setattr(f"scanner.analyze.logic.{bound}", 2)
    with pytest.raises(TooComplexError):
        surely(disj(both_ways))


def test_too_many_alternatives_are_not_listed() -> None:
    assert alternatives(conj(disj((equals(context(n)), equals(context(n + 50)))) for n in range(50))) == ()


def test_unions_of_many_values_that_add_nothing_are_few() -> None:
    tests = tuple(Test(NAMES, StringSet((glob(tokens_of("*" + "a" * n)),))) for n in range(1, 9))
    assert len(cells(NAMES, tests)) == 9


def test_long_exclusions_are_met_by_a_fresh_text() -> None:
    excluded = tuple(glob(tokens_of(f"*a{n}*b*c{n % 7}*")) for n in range(500))
    assert find_text((), excluded).found
    assert not find_text((excluded[:1],), (glob(tokens_of("*c*")),)).found


def test_character_that_no_pattern_names_is_found_among_all() -> None:
    usual = tuple(glob(tokens_of(f"*{c}*")) for c in "xyzqvkwj0123456789_-\ue000")
    assert find_text((), (*usual, literal(()))).found


def test_refused_question_is_not_tried_again() -> None:
    tried: list[int] = []

    @remembered(2, TooComplexError)
    def ask(number: int) -> int:
        tried.append(number)
        if number < 0:
            raise TooComplexError
        return number

    assert [ask(1), ask(1), ask(2), ask(3), ask(1)] == [1, 1, 2, 3, 1]
    for _ in range(2):
        with pytest.raises(TooComplexError):
            ask(-1)
    assert tried == [1, 2, 3, 1, -1]


def test_axioms_that_no_context_meets_leave_nothing() -> None:
    assert decide_expression(equals(context(1)), conj((fact("a"), pigeons(3)))) == Outcome(False, False, False, False)
    assert decide_expression(TRUE) == Outcome(can_be_true=True, can_be_false=False, mixed=False, sure=True)


# -- equal and shorter ------------------------------------------------------------------------------------------------

ONE, TWO, THREE, FOUR = (fact(name) for name in ("one", "two", "three", "four"))
SHORTER: list[tuple[Expression, Expression, Expression]] = [
    # what is said, what is known to hold always, the shortest way to say it
    (conj((ONE, TWO)), TRUE, conj((ONE, TWO))),
    (disj((ONE, TWO)), TRUE, disj((ONE, TWO))),
    (conj((ONE, disj((ONE, TWO)))), TRUE, ONE),
    (disj((ONE, conj((ONE, TWO)))), TRUE, ONE),
    (conj((ONE, TWO)), disj((neg(ONE), TWO)), ONE),
    (disj((ONE, TWO)), disj((neg(ONE), TWO)), TWO),
    (conj((ONE, disj((neg(ONE), TWO)))), TRUE, conj((ONE, TWO))),
    (disj((ONE, conj((neg(ONE), TWO)))), TRUE, disj((ONE, TWO))),
    (conj((ONE, disj((TWO, THREE, conj((TWO, FOUR)))))), TRUE, conj((ONE, disj((TWO, THREE))))),
    (disj((ONE, conj((TWO, THREE, disj((TWO, FOUR)))))), TRUE, disj((ONE, conj((TWO, THREE))))),
    (conj((disj((TWO, THREE, conj((TWO, FOUR)))), ONE)), TRUE, conj((disj((TWO, THREE)), ONE))),
]


@pytest.mark.parametrize(("said", "known", "shortest"), SHORTER)
def test_shorter_form_says_the_same(said: Expression, known: Expression, shortest: Expression) -> None:
    assert shorten(said, known) == shortest


def test_alternative_that_comes_twice_is_listed_once() -> None:
    twice = disj((conj((ONE, TWO)), conj((disj((ONE, THREE)), disj((TWO, FOUR))))))
    listed = [frozenset(terms) for terms in alternatives(twice)]
    assert sorted(map(len, listed)) == [2, 2, 2, 2]
    assert len(set(listed)) == 4


def test_alternative_that_what_is_known_rules_out_is_not_listed() -> None:
    assert alternatives(disj((conj((ONE, TWO)), THREE)), neg(conj((ONE, TWO)))) == ((THREE,),)


def test_data_that_decide_only_where_no_request_can_be_do_not_make_it_mixed() -> None:
    never_both = neg(conj((TWO, THREE)))
    unread = fact("unread", Origin.DATA)
    assert decide_expression(disj((ONE, conj((unread, TWO, THREE)))), never_both) == CONDITIONAL
    hangs = decide_expression(disj((conj((TWO, THREE)), conj((unread, ONE)))), never_both)
    assert (hangs.mixed, hangs.sure) == (True, False)
