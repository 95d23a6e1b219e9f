from __future__ import annotations

import asyncio

import pytest

from minutehand.store.batch import Batch
from minutehand.store.errors import BadRequest, Unreachable


def batch(call, **more) -> Batch[int, tuple[str, int]]:
    return Batch(call, key_of_ask=str, key_of_answer=lambda answer: answer[0], **more)


def test_what_is_asked_at_the_same_time_travels_together_and_the_load_sets_the_size():
    lists: list[list[int]] = []
    first_left = asyncio.Event()

    async def call(asks: list[int]) -> list[tuple[str, int]]:
        lists.append(asks)
        first_left.set()
        if len(lists) == 1:
            await second_asked.wait()
        return [(str(ask), ask * 10) for ask in reversed(asks)]

    async def go() -> list[int]:
        asking = batch(call)
        early = [asking.ask(n) for n in (1, 2)]
        await first_left.wait()
        late = [asking.ask(n) for n in (3, 4, 5)]
        second_asked.set()
        return [(await answer)[1] for answer in early + late]

    second_asked = asyncio.Event()
    assert asyncio.run(go()) == [10, 20, 30, 40, 50]
    assert lists == [[1, 2], [3, 4, 5]]


def test_a_list_is_never_longer_than_the_most():
    sizes: list[int] = []

    async def call(asks: list[int]) -> list[tuple[str, int]]:
        sizes.append(len(asks))
        return [(str(ask), ask) for ask in asks]

    async def go() -> None:
        asking = batch(call, max_size=4)
        await asyncio.gather(*[asking.ask(n) for n in range(10)])

    asyncio.run(go())
    assert sizes == [4, 4, 2]


def test_an_error_is_everyones_of_that_list_and_of_no_other():
    async def call(asks: list[int]) -> list[tuple[str, int]]:
        if 1 in asks:
            raise Unreachable("away")
        return [(str(ask), ask) for ask in asks]

    async def go() -> None:
        asking = batch(call)
        broken = [asking.ask(1), asking.ask(2)]
        for answer in await asyncio.gather(*broken, return_exceptions=True):
            assert isinstance(answer, Unreachable)
        assert await asking.ask(3) == ("3", 3)

    asyncio.run(go())


def test_the_error_of_one_is_its_own_and_the_others_of_its_list_have_their_answers():
    calls: list[list[int]] = []

    async def call(asks: list[int]) -> list[tuple[str, int]]:
        calls.append(asks)
        if 1 in asks:
            raise BadRequest("1 cannot be stored")
        return [(str(ask), ask) for ask in asks]

    async def go() -> None:
        asking = batch(call)
        answers = await asyncio.gather(*[asking.ask(n) for n in range(3)], return_exceptions=True)
        assert [answers[0], answers[2]] == [("0", 0), ("2", 2)]
        assert isinstance(answers[1], BadRequest)
        await asyncio.wait_for(asking.ask(4), 5)

    asyncio.run(go())
    assert sorted(calls) == [[0], [0, 1, 2], [1], [2], [4]]


def test_who_gets_no_answer_is_told_and_the_others_have_theirs():
    async def call(asks: list[int]) -> list[tuple[str, int]]:
        return [(str(ask), ask) for ask in asks if ask != 1]

    async def go() -> None:
        asking = batch(call)
        silent, answered = asking.ask(1), asking.ask(2)
        assert await asyncio.wait_for(answered, 5) == ("2", 2)
        with pytest.raises(KeyError):
            await asyncio.wait_for(silent, 5)

    asyncio.run(go())


def test_who_stopped_waiting_harms_nobody():
    async def call(asks: list[int]) -> list[tuple[str, int]]:
        await asyncio.sleep(0)
        return [(str(ask), ask) for ask in asks]

    async def go() -> None:
        asking = batch(call)
        left, stayed = asking.ask(1), asking.ask(2)
        left.cancel()
        assert await stayed == ("2", 2)

    asyncio.run(go())


def test_the_first_ask_may_wait_for_company_that_comes_later():
    lists: list[list[int]] = []

    async def call(asks: list[int]) -> list[tuple[str, int]]:
        lists.append(asks)
        return [(str(ask), ask) for ask in asks]

    async def go() -> None:
        asking = batch(call, linger_seconds=1.0)
        first = asking.ask(1)
        for _ in range(5):  # turns of the loop, in each of which others go on
            await asyncio.sleep(0)
        await asyncio.gather(first, asking.ask(2))

    asyncio.run(go())
    assert lists == [[1, 2]]
