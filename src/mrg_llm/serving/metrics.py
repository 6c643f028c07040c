"""Counters for Prometheus, in a registry of their own. Labels are routes, statuses and stages: nothing of a request."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

SECONDS = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 20, 40, 80, 160)


class Metrics:
    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("mrg_requests", "requests answered", ["route", "status"], registry=registry)
        self.seconds = Histogram("mrg_request_seconds", "from the first byte of a request to the last of its answer",
                                 ["route"], buckets=SECONDS, registry=registry)  # fmt: skip
        self.refusals = Counter("mrg_refusals", "requests refused, by reason", ["code"], registry=registry)
        self.places = Gauge("mrg_places_taken", "studies being worked on or waiting", registry=registry)
        self.depth = Gauge("mrg_queue_depth", "studies that were read and wait for the model", registry=registry)
        self.held = Gauge("mrg_body_bytes", "bytes of request bodies in memory", registry=registry)
        self.draining = Gauge("mrg_draining", "1 after the signal to stop", registry=registry)
        self.stage = Histogram("mrg_stage_seconds", "seconds of a study's stages: read, wait, write",
                               ["stage"], buckets=SECONDS, registry=registry)  # fmt: skip
        self.batch = Histogram("mrg_batch_studies", "studies a batch", buckets=(1, 2, 4, 8, 16, 32), registry=registry)
        self.films = Counter("mrg_films", "films that were read", registry=registry)
        self.unaudited = Counter("mrg_audit_failures", "lines that the audit file could not take", registry=registry)

    def text(self) -> bytes:
        return generate_latest(self.registry)
