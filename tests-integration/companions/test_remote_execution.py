"""Transformations executed elsewhere: by a jobserver, and by the workers of a Dask cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from companions.sandbox import Project, Sandbox

FUNCTIONS = """\
    import asyncio
    import seamless
    import seamless.config
    from seamless.transformer import delayed, direct
    from seamless_remote import database_remote

    def double(x):
        with open(MARK, "a") as file:
            file.write("double\\n")
        return 2 * x

    def nested(x):
        from seamless.transformer import direct

        @direct
        def add(y):
            with open(MARK, "a") as file:
                file.write("add\\n")
            return y + 1

        with open(MARK, "a") as file:
            file.write("nested\\n")
        return [add(y) for y in range(x)]

    def work():
        transformations = [delayed(double)(x) for x in range(3)]
        for transformation in transformations:
            transformation.start()
        print([transformation.run() for transformation in transformations])
        print(delayed(nested)(2).run())
        record = asyncio.run(
            database_remote.get_execution_record(transformations[0].transformation_checksum)
        )
        print(record["execution_mode"])

"""
JOBSERVER = """\
    seamless.config.init()
    work()
    seamless.close()
"""
DASK = """\
    if __name__ == "__main__":
        from distributed import Client, LocalCluster
        from seamless_dask import SeamlessDaskClient, set_seamless_dask_client

        seamless.config.init()
        clients = seamless.config.collect_remote_clients("frontend")
        options = {"threads_per_worker": 3, "host": "127.0.0.1", "dashboard_address": None}
        with LocalCluster(n_workers=1, **options) as cluster, Client(cluster) as client:
            set_seamless_dask_client(
                SeamlessDaskClient(client, worker_plugin_workers=1, remote_clients=clients)
            )
            work()
            seamless.close()
"""


def test_a_jobserver_executes_each_transformation_once(sandbox: Sandbox) -> None:
    project = sandbox.project(
        "jobserver", "execution: remote", "remote: jobserver", cluster="frontend"
    )
    script = project.script("script.py", FUNCTIONS, JOBSERVER)
    output = "[0, 2, 4]\n[1, 2]\nremote\n"
    assert [project.python(script) for _ in range(2)] == [output] * 2
    assert project.executions() == 3 + 1 + 2

    (service,) = sandbox.services("jobserver")
    assert Path(service["log"]).read_text().count("Completed transformation") == 4


def test_a_dask_cluster_executes_each_transformation_once(sandbox: Sandbox) -> None:
    project = sandbox.project("dask", "execution: process", cluster="frontend")
    script = project.script("script.py", FUNCTIONS, DASK)
    output = "[0, 2, 4]\n[1, 2]\nremote\n"
    assert [project.python(script) for _ in range(2)] == [output] * 2
    assert project.executions() == 3 + 1 + 2


@pytest.mark.skip(reason="seamless-dask's own launcher wants a conda environment for its workers")
def test_the_launcher_starts_a_dask_cluster(sandbox: Sandbox) -> None:
    project: Project = sandbox.project("daskserver", "execution: remote", cluster="frontend")
    project.run("seamless-init")
