"""Alarms and dashboard: valid, explained, and raised by what they are for."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from rebook_infra.processes import SERVICES
from servers.monitoring import DASHBOARD, INFRA, PROMETHEUS, alarms, metrics, panels
from servers.programs import program

RUNBOOK = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts.test.yml"),
    ],
    ids=["configuration", "alarms", "what-raises-them"],
)
def test_prometheus_takes_the_files_and_each_alarm_is_raised_by_its_trouble_alone(arguments: tuple[str, ...]):
    judged = subprocess.run(
        [program("promtool"), *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_every_alarm_is_tried_in_trouble_and_in_peace():
    tried = yaml.safe_load((PROMETHEUS / "alerts.test.yml").read_text())["tests"]
    names = [[case["alertname"] for case in test["alert_rule_test"]] for test in tried]
    assert names == [[rule["alert"] for rule in alarms()]] * 2


def test_every_alarm_has_its_section_in_the_runbook():
    sections = re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert {rule["alert"] for rule in alarms()} <= set(sections)


def test_every_process_is_scraped():
    jobs = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    assert [job["job_name"] for job in jobs] == list(SERVICES)
    assert [job["dns_sd_configs"][0]["names"] for job in jobs] == [[name] for name in SERVICES]


def test_the_dashboard_asks_the_data_source_that_is_provisioned_and_shows_each_panel_once():
    provisioned = yaml.safe_load((INFRA / "grafana/provisioning/datasources/prometheus.yml").read_text())
    (source,) = provisioned["datasources"]
    for panel in panels():
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}, panel["title"]
        assert all(target["expr"] and target["legendFormat"] for target in panel["targets"]), panel["title"]
    every = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in every}) == len(every)


def test_panels_lie_beside_and_below_each_other():
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        own = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert not own & taken, panel["title"]
        assert max(right for right, _ in own) < 24, panel["title"]
        taken |= own


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('max by (job) (a_b{job="x"}) > 3 and min(c) == 0', {"a_b", "c"}),
        ("histogram_quantile(0.9, sum by (job, le) (rate(d_bucket[5m])))", {"d_bucket"}),
        ('count(ALERTS{alertstate="firing"}) or vector(0)', set()),
    ],
)
def test_the_metrics_of_an_expression_are_found(expression: str, names: set[str]):
    assert metrics(expression) == names
