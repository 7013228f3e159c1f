"""docker-compose.yml and its overlays: every process, every setting, no secret too many, nothing unlimited."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import booking_command.settings
import booking_query.settings
import notifier.settings
import pytest
import yaml
from rebook.settings import load
from rebook_infra.processes import SERVICES
from rebook_infra.stack_settings import StackSettings
from servers.nginx import TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "docker-compose.scale.yml", "docker-compose.monitoring.yml")
SETTINGS = {
    "booking-command-web": booking_command.settings.WebProcess,
    "booking-command-relay": booking_command.settings.RelaySettings,
    "booking-query-web": booking_query.settings.WebProcess,
    "booking-query-projector": booking_query.settings.ProjectorSettings,
    "notifier-web": notifier.settings.WebProcessSettings,
    "notifier-worker": notifier.settings.WorkerSettings,
}
MODULES = (booking_command.settings, booking_query.settings, notifier.settings)
_VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::(?P<kind>[-?+])(?P<rest>[^}]*))?\}")


def services(file: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / file).read_text())["services"]
    return found


COMPOSE = services("docker-compose.yml")
EVERYTHING = COMPOSE | services("docker-compose.monitoring.yml")


def example() -> dict[str, str]:
    """What .env.example offers: names, and values as far as they are set."""
    lines = re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    return {name: value.strip('"').replace("CHANGE_ME", "0123456789abcdef" * 4) for name, value in lines}


def environment(service: str, values: Mapping[str, str]) -> dict[str, str]:
    """What a process is started with, given these values in `.env`."""
    declared: dict[str, str | None] = COMPOSE[service]["environment"]
    found = {
        name: values.get(name) if text is None else filled_in(text, values) for name, text in declared.items()
    }
    return {name: value for name, value in found.items() if value is not None}


def filled_in(text: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found["kind"] == "+":
            return found["rest"] if values.get(found["name"]) else ""
        default = found["rest"] if found["kind"] == "-" else None
        return values.get(found["name"]) or default or pytest.fail(f"{found['name']} is not set")

    return _VARIABLE.sub(value, text)


def declared(cls: type) -> set[str]:
    return {field.metadata["name"] for field in dataclasses.fields(cls)}


def all_settings(module: ModuleType) -> set[str]:
    classes = [cls for _, cls in inspect.getmembers(module, dataclasses.is_dataclass)]
    return set().union(*map(declared, classes))


@pytest.mark.parametrize("name", SERVICES)
def test_every_process_of_the_local_stack_runs_in_production(name):
    assert COMPOSE[name]["command"] == list(SERVICES[name])


@pytest.mark.parametrize("name", SETTINGS)
def test_a_process_starts_with_the_settings_that_it_is_given_and_knows_each(name):
    given = environment(name, example())
    load(SETTINGS[name], given)
    assert given.keys() <= declared(SETTINGS[name])


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_can_be_changed_without_touching_the_compose_file(name):
    missing = declared(SETTINGS[name]) - COMPOSE[name]["environment"].keys()
    assert missing == set(), "add these to docker-compose.yml, and what people may change to .env.example"


def test_a_mail_server_of_ones_own_is_reached_at_the_port_that_the_settings_promise():
    given = environment("notifier-worker", {**example(), "SMTP_HOST": "smtp.example.org", "SMTP_PORT": ""})
    assert load(notifier.settings.SmtpSettings, given | {"SMTP_CA_FILE": ""}).smtp_port == 25
    assert COMPOSE["mailpit"]["environment"]["MP_SMTP_BIND_ADDR"].endswith(":25")


@pytest.mark.parametrize("name", ["notifier-worker", "operator"])
def test_the_file_that_vouches_for_a_mail_server_is_where_its_setting_says(name):
    (config,) = COMPOSE[name]["configs"]
    given = {**example(), "SMTP_CA_FILE": "our-authority.pem"}
    assert environment(name, given)["SMTP_CA_FILE"] == config["target"]
    assert environment(name, {**given, "SMTP_CA_FILE": ""})["SMTP_CA_FILE"] == ""
    files = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["configs"]
    assert filled_in(files[config["source"]]["file"], given) == "our-authority.pem"


def test_the_operators_shell_has_the_settings_of_every_command():
    missing = set().union(*map(all_settings, MODULES)) - COMPOSE["operator"]["environment"].keys()
    assert not {name for name in missing if name.endswith(("_URL", "_KEYS", "_PORT", "_HOST", "_SERVERS"))}


def test_the_operators_shell_leaves_a_store_empty_that_is_about_to_be_imported():
    assert COMPOSE["operator"]["depends_on"].keys() == {"postgres"}


def test_the_example_of_env_names_exactly_what_compose_asks_for():
    asked = set()
    for file in FILES:
        asked |= {found["name"] for found in _VARIABLE.finditer((ROOT / file).read_text())}
    for service in EVERYTHING.values():
        asked |= {name for name, value in service.get("environment", {}).items() if value is None}
    assert example().keys() == asked


def test_every_setting_of_a_deployment_and_of_the_local_stack_is_explained():
    page = (ROOT / "docs" / "settings.md").read_text()
    explained = set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))
    assert example().keys() | declared(StackSettings) <= explained


def test_who_need_no_owners_password_have_none():
    for name, service in COMPOSE.items():
        held = set(re.findall(r"\w*(?:OWNER|POSTGRES)_PASSWORD", str(service.get("environment"))))
        assert not held or name in {"postgres", "migrate", "operator"}, f"{name} holds {held}"


def test_every_service_is_limited_watched_restarted_and_its_log_kept_small():
    for name, service in EVERYTHING.items():
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory"} <= limits.keys(), name
        assert service["logging"]["options"]["max-size"], name
        if name not in {"migrate", "operator"}:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"][0] == "CMD", name


def test_images_have_versions_and_nothing_waits_by_sleeping():
    for name, service in EVERYTHING.items():
        if "build" not in service:
            assert re.search(r":v?\d+", service["image"]), name
        assert "sleep" not in str(service.get("command")), name


def test_processes_of_ours_run_without_rights_that_they_do_not_need():
    for name in [*SETTINGS, "migrate", "operator"]:
        service = COMPOSE[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
    last_stage = (ROOT / "infra" / "Dockerfile").read_text().rpartition("FROM")[2]
    assert re.search(r"^USER [1-9]\d+$", last_stage, re.MULTILINE)


def test_only_the_gateway_can_be_opened_to_others():
    for name, service in EVERYTHING.items():
        for published in service.get("ports", []):
            assert published.startswith("127.0.0.1:") or name == "gateway", f"{name} publishes {published}"


def test_nginx_is_given_all_that_its_configuration_asks_for():
    asked = set(re.findall(r"\$\{([A-Z_]+)\}", TEMPLATE.read_text()))
    given = COMPOSE["gateway"]["environment"]
    assert asked <= given.keys()
    passed_on = re.compile(given["NGINX_ENVSUBST_FILTER"].replace("$$", "$"))
    assert all(passed_on.search(name) for name in asked)


def test_limits_that_are_off_are_off_at_the_gateway_too():
    assert environment("gateway", {"REBOOK_RATE_LIMITS": "0"})["GATEWAY_LIMITS"] == "0"
    assert environment("gateway", {})["GATEWAY_LIMITS"] == "1"


def test_scaled_up_every_thread_still_finds_a_connection_to_postgresql():
    more = services("docker-compose.scale.yml")
    assert more.keys() <= COMPOSE.keys()
    web = load(SETTINGS["booking-query-web"], environment("booking-query-web", example()))
    threads = web.web_workers * web.web_threads
    each = {name: threads if name.endswith("-web") else 6 for name in SETTINGS}
    held = sum(count * more[name]["deploy"]["replicas"] for name, count in each.items())
    (allowed,) = re.findall(r"max_connections=(\d+)", str(COMPOSE["postgres"]["command"]))
    assert held < int(allowed)


def test_the_image_is_built_as_its_linter_would_have_it():
    linter = [Path(sys.executable).with_name("hadolint"), ROOT / "infra" / "Dockerfile"]
    judged = subprocess.run(linter, capture_output=True, text=True, check=False)
    assert (judged.returncode, judged.stdout) == (0, "")


def test_the_runbook_names_files_and_services_that_there_are():
    runbook = (ROOT / "docs" / "operations.md").read_text()
    typed = "".join(re.findall(r"^```sh compose\n(.*?)^```$", runbook, re.MULTILINE | re.DOTALL))
    assert {name for name in re.findall(r"-f (\S+)", typed) if not (ROOT / name).exists()} == set()
    named = set(
        re.findall(r"(?<![\w.])(?:booking-command|booking-query|notifier)-[a-z]+\b|\bgateway\b", typed)
    )
    assert {"gateway", "notifier-worker"} <= named <= COMPOSE.keys()
