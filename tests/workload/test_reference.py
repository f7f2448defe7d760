"""Whether a model still gives the answers it gave when it was warm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.workload.reference import MOST_BYTES, Reference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Outputs = tuple[NDArray[Any], ...]


def outputs(*values: float) -> Outputs:
    return (np.array(values, dtype=np.float32),)


def learnt(*answers: tuple[int, Outputs]) -> Reference:
    reference = Reference()
    for position, answer in answers:
        reference.learn(position, answer)
    return reference


def test_nothing_learnt_is_nothing_to_check() -> None:
    reference = Reference()
    assert not reference.checks
    assert not reference.knows(0)


def test_the_same_answer_holds_and_another_does_not() -> None:
    reference = learnt((0, outputs(1, 2)), (0, outputs(1, 2)))
    assert reference.checks
    assert reference.holds(0, outputs(1, 2))
    assert not reference.holds(0, outputs(1, 3))


def test_each_input_has_its_own_answer() -> None:
    reference = learnt((0, outputs(1)), (1, outputs(2)), (0, outputs(1)), (1, outputs(2)))
    assert reference.checks
    assert reference.holds(0, outputs(1))
    assert not reference.holds(0, outputs(2))
    assert reference.holds(1, outputs(2))
    assert reference.knows(1)
    assert not reference.knows(2)


def test_a_model_that_does_not_repeat_itself_is_not_checked() -> None:
    reference = learnt((0, outputs(1)), (1, outputs(5)), (0, outputs(2)), (1, outputs(5)))
    assert not reference.checks
    assert not reference.knows(1)


def test_not_a_number_is_an_answer_like_any_other() -> None:
    reference = learnt((0, outputs(np.nan)), (0, outputs(np.nan)))
    assert reference.checks
    assert reference.holds(0, outputs(np.nan))


def test_zeros_of_either_sign_are_told_apart() -> None:
    reference = learnt((0, outputs(0.0)))
    assert not reference.holds(0, outputs(-0.0))


def test_words_are_compared_by_what_they_say_and_not_by_where_they_lie() -> None:
    def words(*said: bytes) -> Outputs:
        return (np.array([bytes(bytearray(word)) for word in said], dtype=object),)

    reference = learnt((0, words(b"left", b"right")), (0, words(b"left", b"right")))
    assert reference.checks
    assert reference.holds(0, words(b"left", b"right"))
    assert not reference.holds(0, words(b"left", b"wrong"))


def test_every_output_counts() -> None:
    reference = learnt((0, (*outputs(1), *outputs(2))))
    assert reference.holds(0, (*outputs(1), *outputs(2)))
    assert not reference.holds(0, (*outputs(1), *outputs(3)))
    assert not reference.holds(0, outputs(1))


def test_an_output_that_changes_its_length_is_another_answer() -> None:
    reference = learnt((0, (np.zeros((2, 1), dtype=np.int64),)))
    assert not reference.holds(0, (np.zeros((3, 1), dtype=np.int64),))
    empty = learnt((0, (np.zeros((0, 1), dtype=np.int64),)), (0, (np.zeros((0, 1), dtype=np.int64),)))
    assert empty.checks
    assert empty.holds(0, (np.zeros((0, 1), dtype=np.int64),))


def test_what_was_learnt_does_not_change_with_the_array_it_came_in() -> None:
    answer = outputs(1, 2)
    reference = learnt((0, answer))
    answer[0][0] = 9
    assert reference.holds(0, outputs(1, 2))


def test_large_outputs_are_kept_for_a_few_inputs_only() -> None:
    half = (np.zeros(MOST_BYTES // 2, dtype=np.uint8),)
    reference = learnt(*((position, half) for position in range(10)))
    assert reference.checks
    assert [position for position in range(10) if reference.knows(position)] == [0, 1]


@settings(deadline=None)
@given(
    values=st.binary(min_size=1, max_size=64),
    parts=st.integers(1, 3),
    data=st.data(),
)
def test_any_bit_that_flips_anywhere_is_noticed(values: bytes, parts: int, data: st.DataObject) -> None:
    answer = tuple(np.frombuffer(values, dtype=np.uint8) for _ in range(parts))
    reference = learnt((3, answer), (3, answer))
    assert reference.holds(3, answer)
    part = data.draw(st.integers(0, parts - 1))
    place = data.draw(st.integers(0, len(values) - 1))
    changed = [array.copy() for array in answer]
    changed[part][place] ^= 1 << data.draw(st.integers(0, 7))
    assert not reference.holds(3, changed)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8", "int64", "bool", "complex64"])
def test_answers_of_every_type_are_compared(dtype: str) -> None:
    answer = (np.array([0, 1, 1], dtype=dtype),)
    reference = learnt((0, answer), (0, answer))
    assert reference.holds(0, (np.array([0, 1, 1], dtype=dtype),))
    assert not reference.holds(0, (np.array([1, 1, 1], dtype=dtype),))
