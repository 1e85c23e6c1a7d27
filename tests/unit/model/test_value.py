"""Classes of which very many are made: like frozen dataclasses in all but that only mypy refuses to assign."""

import pickle
from dataclasses import fields, replace

import pytest
from scanner.model.value import value_class


@value_class
class Place:
    """A value of two fields."""

    name: str
    number: int = 0


@value_class
class Named:
    """A value that says itself what it is hashed by."""

    name: str
    number: int = 0

    def __hash__(self) -> int:
        return hash(self.name)


@value_class
class Listing:
    """A value with a field that has no hash."""

    names: list[str]


def test_values_are_equal_and_hashed_by_their_fields() -> None:
    assert Place("a", 1) == Place("a", 1)
    assert Place("a", 1) != Place("a", 2)
    assert Place("a", 1) != ("a", 1)
    assert len({Place("a", 1), Place("a", 1), Place("a", 2)}) == 2


def test_a_hash_of_its_own_stays() -> None:
    assert hash(Named("a", 1)) == hash(Named("a", 2)) == hash("a")
    assert Named("a", 1) != Named("a", 2)


def test_what_has_no_hash_gives_none() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Listing(["a"]))


@pytest.mark.parametrize("kind", [Place, Named])
def test_it_comes_back_from_another_process(kind: type[Place] | type[Named]) -> None:
    came = pickle.loads(pickle.dumps(kind("a", 1)))

    assert came == kind("a", 1)
    assert hash(came) == hash(kind("a", 1))


def test_it_is_a_dataclass_with_slots() -> None:
    assert [field.name for field in fields(Place)] == ["name", "number"]
    assert replace(Place("a"), number=3) == Place("a", 3)
    assert repr(Place("a")) == "Place(name='a', number=0)"
    assert not hasattr(Place("a"), "__dict__")


@value_class(eq=False)
class Thing:
    """Told from others as an object."""

    name: str


@value_class(order=True)
class Range:
    """Compared by its fields."""

    start: int
    end: int


def test_what_is_told_as_an_object_is_not_compared_by_its_fields() -> None:
    one, other = Thing("a"), Thing("a")

    assert one == one
    assert one != other
    assert len({one, other}) == 2


def test_order_is_that_of_the_fields() -> None:
    assert sorted([Range(2, 1), Range(1, 3), Range(1, 2)]) == [Range(1, 2), Range(1, 3), Range(2, 1)]
    assert len({Range(1, 2), Range(1, 2)}) == 1
