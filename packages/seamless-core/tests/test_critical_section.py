from __future__ import annotations

import threading

from seamless.caching.critical_section import CriticalSection


def wish(section: CriticalSection[int], number: int) -> None:
    section.wishes.append(number)
    section.grant_wishes()


def test_a_wish_is_granted_at_once_outside_the_section() -> None:
    granted: list[int] = []
    section: CriticalSection[int] = CriticalSection(granted.append)
    wish(section, 1)
    assert granted == [1]


def test_a_wish_from_inside_waits_until_the_section_is_left() -> None:
    granted: list[int] = []
    section: CriticalSection[int] = CriticalSection(granted.append)
    with section:
        with section:
            wish(section, 1)
        assert granted == []
    assert granted == [1]


def test_a_wish_may_enter_the_section_and_wish_again() -> None:
    granted: list[int] = []

    def grant(number: int) -> None:
        with section:
            granted.append(number)
            if number < 3:
                wish(section, number + 1)

    section: CriticalSection[int] = CriticalSection(grant)
    wish(section, 1)
    assert granted == [1, 2, 3]


def test_no_wish_of_many_threads_is_lost() -> None:
    granted: list[int] = []

    def grant(number: int) -> None:
        with section:
            granted.append(number)

    section: CriticalSection[int] = CriticalSection(grant)

    def wish_often(first: int) -> None:
        for number in range(first, first + 500):
            with section:
                wish(section, number)

    threads = [threading.Thread(target=wish_often, args=(n * 500,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(granted) == list(range(4000))
