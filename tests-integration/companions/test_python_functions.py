"""Functions made transformations by `@direct` and `delayed`: computed once, for all processes."""

from __future__ import annotations

import re

import pytest
from companions.sandbox import Project, Sandbox

START = """\
    import seamless
    import seamless.config
    seamless.config.init()
    from seamless.transformer import delayed, direct, spawn

    def double(x):
        with open(MARK, "a") as file:
            file.write("double\\n")
        return 2 * x

"""


@pytest.fixture
def project(sandbox: Sandbox, request: pytest.FixtureRequest) -> Project:
    """A project for each test, so that none finds the results of another."""
    return sandbox.project(request.node.name, "execution: process")


def test_a_direct_function_is_computed_once_for_two_processes(project: Project) -> None:
    text = """\
        double = direct(double)
        print(double(21), double([1, "a"]))
        seamless.close()
    """
    script = project.script("script.py", START, text)
    assert [project.python(script) for _ in range(2)] == ["42 [1, 'a', 1, 'a']\n"] * 2
    assert project.executions() == 2


def test_a_delayed_function_is_computed_once_for_two_processes(project: Project) -> None:
    text = """\
        import numpy
        transformation = delayed(double)(numpy.arange(4) * 2.5)
        value = transformation.run()
        print(transformation.result_checksum.hex(), value.dtype, value.tolist())
        seamless.close()
    """
    script = project.script("script.py", START, text)
    first, second = (project.python(script) for _ in range(2))
    assert first == second
    assert first.endswith("float64 [0.0, 5.0, 10.0, 15.0]\n")
    assert project.executions() == 1


def test_direct_and_delayed_share_results(project: Project) -> None:
    one = project.script("one.py", START, "print(direct(double)(21)); seamless.close()\n")
    other = project.script("two.py", START, "print(delayed(double)(21).run()); seamless.close()\n")
    assert [project.python(one), project.python(other)] == ["42\n", "42\n"]
    assert project.executions() == 1


def test_a_result_outlives_the_services(project: Project) -> None:
    script = project.script("script.py", START, "print(direct(double)(21)); seamless.close()\n")
    project.python(script)
    project.sandbox.end()
    assert project.python(script) == "42\n"
    assert project.executions() == 1


def test_nested_transformations_are_each_computed_once(project: Project) -> None:
    text = """\
        def total(n):
            from seamless.transformer import direct

            @direct
            def square(x):
                with open(MARK, "a") as file:
                    file.write("square\\n")
                return x * x

            with open(MARK, "a") as file:
                file.write("total\\n")
            return sum(square(x) for x in range(n))

        print(direct(total)(3), direct(total)(4))
        seamless.close()
    """
    script = project.script("script.py", START, text)
    assert [project.python(script) for _ in range(2)] == ["5 14\n"] * 2
    assert project.executions() == 2 + 4


def test_a_pool_of_spawned_workers_computes_once(project: Project) -> None:
    text = """\
        if __name__ == "__main__":
            spawn(2)
            transformations = [delayed(double)(x) for x in range(6)]
            for transformation in transformations:
                transformation.start()
            print([transformation.run() for transformation in transformations])
            seamless.close()
    """
    script = project.script("script.py", START, text)
    assert [project.python(script) for _ in range(2)] == ["[0, 2, 4, 6, 8, 10]\n"] * 2
    assert project.executions() == 6


SCRATCH = """\
    double = delayed(double)
    double.scratch = True
    transformation = double("value" * 1000)
    transformation.compute()
    print(transformation.result_checksum.hex())
    seamless.close()
"""
FINGERTIP = """\
    import sys
    from seamless import CacheMissError, Checksum
    result = Checksum(sys.argv[1])
    try:
        result.resolve()
        print("resolved")
    except CacheMissError:
        print("missing")
    print(len(result.fingertip_sync("str")))
    seamless.close()
"""


def test_a_scratch_result_is_dropped_and_computed_again_when_fingertipped(
    project: Project,
) -> None:
    scratch = project.script("scratch.py", START, SCRATCH)
    fingertip = project.script("fingertip.py", START, FINGERTIP)
    checksum = project.python(scratch).strip()
    assert re.fullmatch("[0-9a-f]{64}", checksum)
    assert project.executions() == 1
    assert project.python(fingertip, checksum) == "missing\n10000\n"
    assert project.executions() == 2
