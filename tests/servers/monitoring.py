"""What infra/prometheus and infra/grafana ask of the processes, read out of their files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

INFRA = Path(__file__).parents[2] / "infra"
PROMETHEUS = INFRA / "prometheus"
DASHBOARD = INFRA / "grafana" / "dashboards" / "rebook.json"

# What Prometheus makes itself, of scraping and of its alarms.
_OWN = {"up", "ALERTS"}
_NOT_NAMES = re.compile(r"\{[^}]*\}|\[[^]]*\]|\b(?:by|on|without|ignoring)\s*\([^)]*\)")
_NAME = re.compile(r"\b[a-zA-Z_]\w*\b(?!\s*\()")
_WORDS = {"and", "or", "unless", "by", "on", "without", "ignoring"}


def alarms() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def panels() -> list[dict[str, Any]]:
    """The dashboard's panels that show something."""
    every: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in every if panel["type"] != "row"]


def questions() -> list[str]:
    """Every PromQL expression of alarms and dashboard."""
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [rule["expr"] for rule in alarms()] + shown


def metrics(expression: str) -> set[str]:
    """The processes' metrics that an expression is about."""
    return set(_NAME.findall(_NOT_NAMES.sub(" ", expression))) - _WORDS - _OWN


def told(exposition: str) -> set[str]:
    """The names of all samples that a process tells (Prometheus text format), `_total` and `_bucket` included."""
    declared = re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.MULTILINE)
    ends = {"histogram": ("_bucket", "_count", "_sum")}
    return {name + end for name, kind in declared for end in ends.get(kind, ("",))}
