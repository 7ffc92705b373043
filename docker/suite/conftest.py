"""Selection, fixtures and evidence for every test of the suite.

Imports at the top are few: this file is loaded to collect tests under emulation too.
"""

from __future__ import annotations

import pytest
from suite_support import image as images
from suite_support import selection

IMAGE = pytest.StashKey[images.Image]()
SERVERS = pytest.StashKey[list]()

REAL_ENGINE_TIMEOUT = 1800
"""Seconds for one test with a real engine: its server may first have to fetch and load a model."""


def pytest_configure(config):
    try:
        config.stash[IMAGE] = images.load()
    except (OSError, ValueError, TypeError) as error:
        raise pytest.UsageError(f"image.json cannot be used: {error}") from error
    config.stash[SERVERS] = []


def pytest_report_header(config):
    image = config.stash[IMAGE]
    kind = "a MOCK engine" if image.is_mock else "the real engine"
    of = f"{image.framework} {image.framework_version} for {image.platform}"
    return f"image: {of} with {kind} {image.engine_version}"


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """Turn a file with a wrongly marked test into a collection error."""
    report = yield
    wrong = [] if report.failed else _wrongly_marked(report.result)
    if wrong:
        report.outcome, report.longrepr, report.result = "failed", "\n".join(wrong), []
    return report


def _wrongly_marked(nodes):
    return [
        f"{node.nodeid}: {problem}"
        for node in nodes
        if isinstance(node, pytest.Item)
        for problem in selection.problems(_marks(node))
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Leave out tests about other frameworks or the other kind of engine; they are reported as deselected."""
    image = config.stash[IMAGE]
    others = [item for item in items if not selection.applies(_marks(item), image)]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
    if not image.is_mock:
        for item in items:
            item.add_marker(pytest.mark.timeout(REAL_ENGINE_TIMEOUT))


def _marks(item):
    return {mark.name for mark in item.iter_markers()}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Attach the logs of the servers to a failure."""
    report = yield
    if report.failed:
        logs = [server.log() for server in item.config.stash[SERVERS]]
        report.sections.extend(("server log", log) for log in logs)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Fail, by name and before any server is started, a test whose GPUs are not there. A mock engine needs none."""
    needed = selection.gpus(_marks(item))
    if item.config.stash[IMAGE].is_mock or not needed:
        return
    from suite_support.server import gpus  # noqa: PLC0415

    found = gpus()
    if found < needed:
        pytest.fail(f"no GPU for the test: it needs {needed}, the container has {found}", pytrace=False)


@pytest.fixture(scope="session")
def image(request):
    """What image.json says."""
    return request.config.stash[IMAGE]


@pytest.fixture(scope="session")
def labels():
    """The labels of the image under test, as the pipeline read them from the registry."""
    return images.labels()


@pytest.fixture(scope="session")
def model():
    """The model that servers under test serve."""
    return images.model()


@pytest.fixture(scope="session")
def dialect(image):
    """What is particular to this image's framework."""
    from suite_support.dialects import DIALECTS  # noqa: PLC0415

    return DIALECTS[image.framework]


@pytest.fixture(scope="session")
def deadlines(image):
    """Seconds that servers may take."""
    from suite_support import server  # noqa: PLC0415

    return server.MOCK_DEADLINES if image.is_mock else server.REAL_DEADLINES


@pytest.fixture(scope="session")
def new_server(request, dialect, deadlines, model, tmp_path_factory):
    """Return a function that makes a server, not yet started; what is left of it is killed at the end."""
    from suite_support.server import Server  # noqa: PLC0415

    servers = request.config.stash[SERVERS]
    folder = tmp_path_factory.mktemp("servers")

    def make(*flags, port=0, served_as=None):
        log = folder / f"server-{len(servers)}.log"
        server = Server(model, [*dialect.frugal_flags, *flags], log, deadlines, port)
        server.model = served_as or model
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.kill()


@pytest.fixture
def start_server(request, new_server):
    """Return a function that starts a server for one test and waits until it is ready."""
    own = []

    def start(*flags, **options):
        server = new_server(*flags, **options)
        own.append(server)
        server.start()
        server.wait_until_ready()
        return server

    yield start
    for server in own:
        server.kill()
        request.config.stash[SERVERS].remove(server)  # its log belongs to failures of this test alone


@pytest.fixture(scope="session")
def shared_server(new_server):
    """One server for all tests that leave it as it is."""
    server = new_server()
    server.start()
    server.wait_until_ready()
    return server


@pytest.fixture
def client(shared_server):
    """A client of the shared server. Fails first of all when an earlier test has ended that server."""
    from suite_support.client import Client  # noqa: PLC0415

    assert shared_server.running, f"the shared server has ended\n{shared_server.log()}"
    return Client(shared_server.port, shared_server.model, shared_server.deadlines.request)


@pytest.fixture
def client_of():
    """Return a function that makes a client of a given server."""
    from suite_support.client import Client  # noqa: PLC0415

    return lambda server: Client(server.port, server.model, server.deadlines.request)
