"""Figures for Prometheus: what is waiting, what was drawn, how long answers take."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fromnoise.studio.desk.engine import Engine


class Metrics:
    """One server's figures.

    Args:
        engine: is asked whenever the figures are read.
    """

    def __init__(self, engine: Engine) -> None:
        self.registry, self._engine = CollectorRegistry(), engine
        self.requests = Counter(
            "fromnoise_http_requests", "Answers", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "fromnoise_http_request_seconds",
            "Time to the end of an answer",
            ("route",),
            registry=self.registry,
            buckets=(0.005, 0.02, 0.1, 0.5, 1, 2, 5, 15, 60, 300),
        )
        ProcessCollector(registry=self.registry)  # memory, files and CPU time of this process
        self.registry.register(self)  # type: ignore[arg-type]

    def collect(self) -> Iterator[Metric]:
        """What Prometheus asks of a collector."""
        pace = self._engine.pace
        yield GaugeMetricFamily("fromnoise_queue_pictures", "Pictures that wait", self._engine.waiting)
        yield GaugeMetricFamily("fromnoise_queue_seconds", "Until the queue is empty", self._engine.seconds_left)
        yield CounterMetricFamily("fromnoise_pictures_drawn", "Pictures drawn", pace.pictures)
        yield CounterMetricFamily("fromnoise_batches_drawn", "Batches drawn", pace.batches)
        yield CounterMetricFamily("fromnoise_drawing_seconds", "Time spent drawing", pace.busy)
        yield GaugeMetricFamily("fromnoise_step_seconds", "For a step of one picture", pace.seconds)

    def text(self) -> bytes:
        """The figures as Prometheus reads them."""
        return generate_latest(self.registry)


class Measured:
    """Counts and times the answers of an application.

    Args:
        app: what answers.
        metrics: where they are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer and count."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, method = time.perf_counter(), "none", scope["method"]

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            # The route's pattern, never the path: clients must not be able to make up new series.
            route = getattr(scope.get("route"), "path", "other")
            method = method if method in ("GET", "POST", "PATCH", "DELETE", "HEAD") else "other"
            self.metrics.requests.labels(method, route, status).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - began)
