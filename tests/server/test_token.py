"""Servers that others can reach: nothing without the token, and the forms in which it is taken."""

from __future__ import annotations

import base64
import re
from types import SimpleNamespace
from urllib.parse import quote

import httpx
import pytest

from carmask.server.running import Address, is_loopback
from tests.server.raw import get, raw

TOKEN = "a token that is löng enough"


@pytest.fixture(scope="module")
def secured_url(serving_module):
    return serving_module(token=TOKEN, state="secured")


@pytest.fixture
def secured(secured_url):
    """A client without cookies of earlier tests."""
    with httpx.Client(base_url=secured_url.url) as client:
        yield SimpleNamespace(client=client, port=secured_url.port)


@pytest.mark.parametrize(
    "path", ["/", "/v1/jobs", "/static/review.js", "/review/x", "/metrics", "/openapi.json", "/health"]
)
def test_nothing_is_served_without_the_token(secured, path):
    assert secured.client.get(path).status_code == 401
    assert secured.client.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert secured.client.get(path, params={"token": "wrong"}).status_code == 401
    assert secured.client.get("/healthz").status_code == 200


def test_a_client_of_remove_bg_reads_why_it_is_refused(secured):
    """Its libraries read errors[0].title."""
    answer = secured.client.post("/v1.0/removebg", headers={"x-api-key": "wrong"})
    assert answer.status_code == 401
    (error,) = answer.json()["errors"]
    assert error["code"] == "auth_failed"
    assert error["title"].startswith("a token is needed")
    large = {"x-api-key": "wrong", "content-length": "9" * 12}
    answer = raw(
        secured.port, get("/v1.0/removebg", *(f"{name}: {text}" for name, text in large.items()), method="POST")
    )
    assert b'{"errors":[{"title":"at most ' in answer
    assert b'"code":"file_too_large"' in answer


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": f"Bearer {TOKEN}".encode()},
        {b"authorization": f"Bearer {TOKEN}".encode("latin-1")},
        {"authorization": "Basic " + base64.b64encode(f"any:{TOKEN}".encode()).decode()},
        {b"x-api-key": TOKEN.encode()},
    ],
)
def test_the_token_is_taken_in_each_form_that_clients_have(secured, headers):
    assert secured.client.get("/v1/jobs", headers=headers).status_code == 200


@pytest.mark.parametrize("value", [b"Basic \xe9", b"Basic ====", b"Bearer \xe9", b"Basic"])
def test_letters_that_no_token_has_are_a_wrong_token(secured, value):
    assert secured.client.get("/v1/jobs", headers={b"authorization": value}).status_code == 401


def test_a_page_opened_with_the_token_keeps_it_in_a_cookie_and_out_of_the_address(secured):
    answer = secured.client.get("/", params={"token": TOKEN, "a": "b"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?a=b"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert secured.client.get("/v1/jobs").status_code == 200  # the client keeps cookies


def test_a_browser_without_the_token_is_asked_for_it(secured):
    page = secured.client.get("/review/x", headers={"accept": "text/html"})
    assert page.status_code == 401
    assert page.headers["www-authenticate"] == "Bearer"
    assert page.headers["content-type"].startswith("text/html")
    assert '<input type="password" id="token" name="token"' in page.text
    assert "A token is needed" in page.text
    wrong = secured.client.get("/review/x", params={"token": "wrong"}, headers={"accept": "text/html"})
    assert (wrong.status_code, "not the server&#x27;s token" in wrong.text) == (401, True)
    assert secured.client.get("/static/page.css").status_code == 200  # how that page looks
    # What the form sends.
    assert secured.client.get("/review/x", params={"token": TOKEN}, follow_redirects=True).status_code == 200


def test_a_login_is_no_open_redirect(secured):
    answer = raw(secured.port, get(f"//evil.example/?token={quote(TOKEN)}"))
    place = re.search(rb"location: ([^\r]*)", answer)
    assert place is None or not place[1].startswith((b"//", b"http"))


def test_only_the_loopback_address_goes_without_a_token():
    assert Address().secured().token is None
    assert Address("::1").secured().token is None
    assert len(Address("0.0.0.0").secured().token) >= 24
    assert len(Address("192.0.2.7").secured().token) >= 24
    assert Address("10.0.0.8", token=TOKEN).secured().token == TOKEN
    assert "10.0.0.8" in Address("10.0.0.8").hosts()
    assert [is_loopback(host) for host in ("localhost", "127.8.9.1", "10.0.0.1", "example.org")] == [
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(Exception, match="too short"):
        Address(token="short").secured()
