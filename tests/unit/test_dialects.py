from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minutehand.executor.actions.contract import BadStep, Step
from minutehand.executor.dialects import MAX_NAME, read_steps

EMAIL = {"subject": "Hi", "message": "Hello"}


def test_the_normal_form_is_read_as_it_stands():
    steps = read_steps({"steps": [{"type": "email", "id": "hello", "name": "Say hello", "config": EMAIL}]})
    assert steps == (Step(key="hello", path="1", type="email", name="Say hello", config=EMAIL, stop_on_error=False),)


def test_the_apps_builder_is_read_too():
    (step,) = read_steps({"steps": [{"type": "action", "config": {"actionType": "email", **EMAIL}}]})
    assert (step.type, step.config, step.name) == ("email", EMAIL, "1 (email)")


def test_a_step_without_an_id_is_named_by_its_place():
    steps = read_steps({"steps": [{"type": "email", "config": EMAIL, "id": id_} for id_ in (None, "", 7, [1])]})
    assert [step.key for step in steps] == ["1", "2", "7", "4"]


@pytest.mark.parametrize(("said", "stops"), [(True, True), (False, False), ("yes", False), (1, False), (None, False)])
def test_only_true_stops_on_error(said, stops):
    (step,) = read_steps({"steps": [{"type": "email", "config": EMAIL, "stop_on_error": said}]})
    assert step.stop_on_error is stops


@pytest.mark.parametrize("definition", [{}, {"steps": None}, {"steps": []}])
def test_no_steps_are_no_steps(definition):
    assert read_steps(definition) == ()


def test_an_id_that_looks_like_anothers_place_is_refused():
    steps = [{"type": "email", "config": EMAIL, "id": "2"}, {"type": "email", "config": EMAIL}]
    with pytest.raises(BadStep, match="several steps have the id '2'"):
        read_steps({"steps": steps})


def test_a_long_name_is_cut_and_a_long_id_refused():
    (step,) = read_steps({"steps": [{"type": "email", "config": EMAIL, "name": "x" * 1000}]})
    assert len(step.name) == MAX_NAME
    with pytest.raises(BadStep, match="longer than"):
        read_steps({"steps": [{"type": "email", "config": EMAIL, "id": "x" * 1000}]})


def test_the_users_json_is_not_touched():
    raw = {"steps": [{"type": "action", "config": {"actionType": "email", **EMAIL}}]}
    read_steps(raw)
    assert raw == {"steps": [{"type": "action", "config": {"actionType": "email", **EMAIL}}]}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
steplike = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["email", "action", "webhook"]) | anything,
        "config": anything,
        "id": anything,
        "name": anything,
    },
)


@given(anything | st.lists(steplike, max_size=3))
def test_whatever_stands_there_is_read_or_refused_by_name(steps):
    try:
        read = read_steps({"steps": steps})
    except BadStep as error:
        said = str(error)
    else:
        said = "steps: read"
        assert all(isinstance(step, Step) for step in read)
    assert said.startswith("step")
    assert len(said) < 1000
