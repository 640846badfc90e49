"""The API's document, and thousands of requests made from it."""

from __future__ import annotations

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from studio.conftest import Live

STREAMS = ("/api/events", "/api/jobs/{job}/events")  # they do not end


def test_whatever_is_sent_the_server_answers_as_documented(live: Live) -> None:
    tried = 0
    for result in schemathesis.openapi.from_url(f"{live.url}/openapi.json").get_all_operations():
        operation = result.ok()
        if operation.path not in STREAMS:
            run = given(case=operation.as_strategy())(_probe)
            settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)(run)()
            tried += 1
    assert tried >= 20


def _probe(case) -> None:  # type: ignore[no-untyped-def]
    body = case.body if isinstance(case.body, dict) else {}
    for name, most in (("steps", 2), ("n", 1), ("count", 1)):
        if isinstance(body.get(name), int) and body[name] > most:
            body[name] = most  # what is asked for is drawn, and that takes time
    if body and "prompt" in body and case.path in ("/v1/images/generations", "/api/jobs"):
        body.setdefault("steps", 1)
    response = case.call(timeout=240)
    checks = (not_a_server_error, content_type_conformance, response_schema_conformance)
    for check in checks if response.status_code != 503 else ():
        case.validate_response(response, checks=(check,))
    if response.status_code >= 400:
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_all_routes_are_in_the_document(http: httpx.Client) -> None:
    paths = set(http.get("/openapi.json").json()["paths"])
    assert {"/v1/images/generations", "/v1/images/edits", "/v1/models", "/healthz", "/readyz", "/metrics"} <= paths
    assert {"/api/jobs", "/api/events", "/api/pictures", "/api/uploads", "/api/facts", "/api/machine"} <= paths
    assert "422" not in http.get("/openapi.json").text


def test_figures_can_be_read_by_prometheus(http: httpx.Client) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    http.post("/v1/images/generations", json={"prompt": "x", "steps": 1})
    http.get("/no/such/path/1")
    http.get("/no/such/path/2")
    families = {family.name: family for family in text_string_to_metric_families(http.get("/metrics").text)}
    assert families["fromnoise_pictures_drawn"].samples[0].value >= 1
    routes = {
        sample.labels["route"] for sample in families["fromnoise_http_requests"].samples if "route" in sample.labels
    }
    assert "/v1/images/generations" in routes
    assert not any("such" in route for route in routes)  # paths that clients make up are no series


def test_health(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json()["status"] == "ready"


def test_the_machine_is_what_the_model_is(http: httpx.Client, live: Live) -> None:
    machine = http.get("/api/machine").json()
    model = live.state.models.base
    by_name = {network["name"]: network for network in machine["networks"]}
    assert by_name["unet"]["weights"] == sum(p.numel() for p in model.unet.parameters())
    assert by_name["unet"]["takes"][0] == list(model.latent_shape())
    assert by_name["vae.decoder"]["gives"] == [[3, 32, 32]]
    inner = {block["path"]: block for block in by_name["unet"]["blocks"]}
    down = {block["path"]: block for block in inner["down"]["blocks"]}
    first = next(iter(down.values()))
    assert first["gives"][0] == [model.unet.config.block_out_channels[0], 8, 8]
    assert by_name["text_encoder"]["gives"][0][-1] == model.text_tower.config.width
