"""Rows of an HTTP API, page by page and one by one, through dlt's client: it waits when told to, and asks again after what passes by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlparse

from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import HeaderLinkPaginator
from requests import HTTPError, RequestException, Response

Row = dict[str, Any]


class ApiFailed(RuntimeError):
    """An API did not give its rows. The message has its host and path, never a parameter, a header or a body: these hold secrets and persons."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for an answer (seconds), how often to ask, and how the pauses between grow where the API names none."""

    timeout: float = 60
    attempts: int = 6
    backoff: float = 1


class Pages(HeaderLinkPaginator):
    """Follows `Link: <…>; rel="next"` (Shopify's page_info), on the API's own host only: the token goes nowhere else."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.origin = urlparse(url)[:2]

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        following = urlparse(self._next_reference or "")
        if following.netloc and following[:2] != self.origin:
            raise ApiFailed(f"{self.origin[1]} names {following.netloc} for its next page; only its own host is asked.")


@dataclass(frozen=True)
class Api:
    """An HTTP API at an address, with the headers that let us in."""

    url: str
    headers: dict[str, str]
    patience: Patience = Patience()

    def client(self) -> RESTClient:
        patience = self.patience
        session = Client(
            request_timeout=patience.timeout,
            request_max_attempts=patience.attempts,
            request_backoff_factor=patience.backoff,
            raise_for_status=False,
            retry_condition=is_no_json,
            # A redirect would carry the token along.
            session_attrs={"max_redirects": 0},
        ).session
        return RESTClient(self.url, headers=self.headers, session=session)

    def pages(self, path: str, parameters: dict[str, Any], rows: str | None) -> Iterator[Row]:
        """The rows of every page.

        Raises:
            ApiFailed: it answered with an error, not at all, or without rows.
        """
        try:
            for page in self.client().paginate(path, params=parameters, paginator=Pages(self.url), data_selector="$"):
                found = page[0].get(rows) if rows and len(page) == 1 and isinstance(page[0], dict) else None if rows else list(page)
                if found is None:
                    raise ApiFailed(f"{self.place(path)} answered without a list of {rows!r}.")
                yield from found
        except (RequestException, ValueError) as error:
            raise ApiFailed(f"{self.place(path)} {reason(error)}") from None

    def one(self, path: str, parameters: dict[str, Any]) -> Row | None:
        """The answer to one question; None when the API knows nothing (404).

        Raises:
            ApiFailed: as `pages`.
        """
        try:
            response = self.client().get(path, params=parameters)
            if response.status_code == 404:
                return None
            response.raise_for_status()
            body = response.json()
        except (RequestException, ValueError) as error:
            raise ApiFailed(f"{self.place(path)} {reason(error)}") from None
        if not isinstance(body, dict):
            raise ApiFailed(f"{self.place(path)} answered with something other than an object.")
        return body

    def place(self, path: str) -> str:
        return f"{urlparse(self.url).netloc.rpartition('@')[2]}/{path}"


def is_no_json(response: Response | None, error: BaseException | None) -> bool:
    """An answer that says it went well and is not JSON was cut off: ask again."""
    if response is None or response.status_code != 200:
        return False
    try:
        response.json()
    except ValueError:
        return True
    return False


def reason(error: Exception) -> str:
    if isinstance(error, HTTPError) and error.response is not None:
        status = error.response.status_code
        hint = {401: ": the token is wrong or has run out", 403: ": the token may not read this", 404: ": check url and path"}.get(
            status, ""
        )
        return f"answered {status}{hint}."
    return (
        f"did not answer ({type(error).__name__})." if isinstance(error, RequestException) else "answered with something other than JSON."
    )
