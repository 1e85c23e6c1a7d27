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


def test_values_are_equal_and_hashed_by_their_fields():
    assert Place("a", 1) == Place("a", 1)
    assert Place("a", 1) != Place("a", 2)
    assert Place("a", 1) != ("a", 1)
    assert len({Place("a", 1), Place("a", 1), Place("a", 2)}) == 2


def test_a_hash_of_its_own_stays():
    assert hash(Named("a", 1)) == hash(Named("a", 2)) == hash("a")
    assert Named("a", 1) != Named("a", 2)


def test_what_has_no_hash_gives_none():
    with pytest.raises(TypeError, match="unhashable"):
        hash(Listing(["a"]))


@pytest.mark.parametrize("kind", [Place, Named])
def test_it_comes_back_from_another_process(kind):
    came = pickle.loads(pickle.dumps(kind("a", 1)))

    assert came == kind("a", 1)
    assert hash(came) == hash(kind("a", 1))


def test_it_is_a_dataclass_with_slots():
    assert [field.name for field in fields(Place)] == ["name", "number"]
    assert replace(Place("a"), number=3) == Place("a", 3)
    assert repr(Place("a")) == "Place(name='a', number=0)"
    assert not hasattr(Place("a"), "__dict__")
