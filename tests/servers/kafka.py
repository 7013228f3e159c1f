"""The best Kafka that this machine can have: Apache Kafka wherever possible, else the embedded broker.

`REBOOK_TEST_KAFKA` (`container`, `jars` or `embedded`) overrules the choice.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from rebook.kafka import KafkaSettings
from rebook_infra import broker
from rebook_infra.ports import free_port
from rebook_infra.supervisor import Process

from servers.running import Server

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "4.4.0"
_JARS = Path.home() / ".cache" / "rebook" / f"kafka-{VERSION}"
_POM = Path(__file__).with_name("pom.xml")
_JAVA_MIN = 17
_CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"
_CONTAINER_PORT = 9092


class Kafka(Protocol):
    """A running broker that tests may stop, hurt and start again; it keeps its address.

    `begin` does not wait; `kill` and `forget` leave it down, and what it has forgotten is all its topics.
    """

    kind: str
    bootstrap_servers: str

    def begin(self) -> None: ...
    def wait_ready(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def forget(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...
    def close(self) -> None: ...


class ProcessKafka:
    """A broker that is a process of ours and keeps its files, if any, in `home/kafka`."""

    def __init__(self, kind: str, port: int, process: Process, log: Path) -> None:
        self.kind = kind
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self._data = log.with_name("kafka")
        self._server = Server(process, log, lambda: _accepts(port) and _answers(port))
        self.begin, self.wait_ready, self.start = (
            self._server.begin,
            self._server.wait_ready,
            self._server.start,
        )
        self.stop, self.close = self._server.stop, self._server.kill  # nobody asks it for anything any more
        self.kill, self.freeze, self.thaw = self._server.kill, self._server.freeze, self._server.thaw

    def forget(self) -> None:
        self.kill()
        shutil.rmtree(self._data, ignore_errors=True)


class ContainerKafka:
    """A broker in a container, by testcontainers; the port is fixed, so that it survives a restart."""

    kind = f"Apache Kafka {VERSION} in a container"

    def __init__(self) -> None:
        from testcontainers.core.container import DockerContainer

        port = free_port()
        self.bootstrap_servers = f"127.0.0.1:{port}"
        settings = {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_LISTENERS": f"PLAINTEXT://:{_CONTAINER_PORT},CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{self.bootstrap_servers}",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        }
        self._container = DockerContainer(f"apache/kafka:{VERSION}").with_bind_ports(_CONTAINER_PORT, port)
        for name, value in settings.items():
            self._container.with_env(name, value)

    def begin(self) -> None:
        self._container.start()

    def wait_ready(self) -> None:
        from testcontainers.core.waiting_utils import wait_for_logs

        wait_for_logs(self._container, "Kafka Server started", timeout=60)

    def start(self) -> None:
        self._container.get_wrapped_container().start()

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def forget(self) -> None:
        with contextlib.closing(KafkaAdminClient(bootstrap_servers=self.bootstrap_servers)) as admin:
            admin.delete_topics([name for name in admin.list_topics() if not name.startswith("__")])
        self.kill()

    def freeze(self) -> None:
        self._container.get_wrapped_container().pause()

    def thaw(self) -> None:
        self._container.get_wrapped_container().unpause()

    def close(self) -> None:
        self._container.stop()


@functools.cache
def choice() -> str:
    """`container`, `jars` or `embedded`."""
    wish = os.environ.get("REBOOK_TEST_KAFKA")
    if wish:
        return wish
    if _docker_answers():
        return "container"
    return "jars" if java_version() >= _JAVA_MIN and (shutil.which("mvn") or _JARS.exists()) else "embedded"


def described() -> str:
    """What the run's header says."""
    return {
        "container": ContainerKafka.kind,
        "jars": f"Apache Kafka {VERSION} from Maven Central on Java {java_version()}",
        "embedded": "the embedded broker (Tansu); a Docker engine, or a JDK 17 with mvn, would give Apache Kafka",
    }[choice()]


def make(home: Path) -> Kafka:
    """The chosen broker, not started yet; `home` is for its files."""
    makers: dict[str, Callable[[], Kafka]] = {
        "container": ContainerKafka,
        "jars": lambda: _from_jars(home),
        "embedded": lambda: _embedded(home),
    }
    return makers[choice()]()


def _embedded(home: Path) -> Kafka:
    port = free_port()
    return ProcessKafka("embedded", port, broker.process(port), home / "broker.log")


def _from_jars(home: Path) -> Kafka:
    _fetch_jars()
    port = free_port()
    settings = home / "server.properties"
    settings.write_text(_SETTINGS.format(port=port, controller=free_port(), logs=home / "kafka"))
    java = f"exec java -Xmx512m -cp '{_JARS}/*'"
    once = f"test -e '{home}/kafka/meta.properties' ||"
    formatted = f"({java} kafka.tools.StorageTool format -t {_CLUSTER_ID} -c '{settings}' --standalone)"
    process = Process(
        name="kafka",
        command=("sh", "-c", f"{once} {formatted} && {java} kafka.Kafka '{settings}'"),
        environment={"PATH": os.environ["PATH"]},
        stop_signal=signal.SIGTERM,
        stop_within_s=10.0,
    )
    return ProcessKafka("jars", port, process, home / "kafka.log")


def _fetch_jars() -> None:
    """Have Maven put the jars into the cache, all or none; only the first run on a machine does."""
    if _JARS.exists():
        return
    new = _JARS.with_name(f"{_JARS.name}.{os.getpid()}")
    goal = ("dependency:copy-dependencies", f"-DoutputDirectory={new}", f"-Dkafka.version={VERSION}")
    fetched = subprocess.run(
        ["mvn", "-q", "-B", "-f", str(_POM), *goal], capture_output=True, text=True, check=False
    )
    if fetched.returncode:
        said = (fetched.stdout + fetched.stderr).strip().splitlines()
        raise RuntimeError(f"Maven could not fetch Apache Kafka ({said[0] if said else 'no reason given'})")
    new.rename(_JARS)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(port: int) -> bool:
    """Whether the broker serves; its port takes connections long before that."""
    try:
        KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", bootstrap_timeout_ms=500).close()
    except KafkaError:
        return False
    return True


def _docker_answers() -> bool:
    if not shutil.which("docker"):
        return False
    asked = subprocess.run(["docker", "version"], capture_output=True, timeout=10, check=False)
    return asked.returncode == 0


@functools.cache
def java_version() -> int:
    """The major version; 0 where there is none."""
    if not shutil.which("java"):
        return 0
    asked = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', asked.stderr)
    return int(found.group(1)) if found else 0


_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""


def settings_of(bootstrap_servers: str, topic_prefix: str) -> KafkaSettings:
    """Settings of a client of one broker that keeps everything."""
    return KafkaSettings(
        bootstrap_servers=bootstrap_servers,
        topic_prefix=topic_prefix,
        topic_replication=1,
        topic_min_isr=1,
        topic_retention_ms=-1,
        session_timeout_ms=6_000,
    )
