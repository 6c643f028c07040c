"""What the service answers when it does not do what was asked: a status, a code for programs, a sentence for people."""

from __future__ import annotations

from starlette.responses import JSONResponse

from mrg_llm.errors import ImageError, InputError, SettingsError, UnfamiliarError


class Refusal(Exception):
    """`message` holds nothing of the patient. retry_after: seconds after which to try again."""

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None):
        super().__init__(code)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after

    def as_json(self) -> dict[str, dict[str, str]]:
        return {"error": {"code": self.code, "message": self.message}}

    def response(self) -> JSONResponse:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.as_json(), self.status, headers)


def refused(error: InputError) -> Refusal:
    """Our own errors, as they concern what a client sent. Their messages name films by number."""
    codes = {UnfamiliarError: "unfamiliar_film", ImageError: "damaged_film", SettingsError: "context_not_read"}
    code = next((code for kind, code in codes.items() if isinstance(error, kind)), "not_accepted")
    return Refusal(422, code, str(error))


def internal() -> Refusal:
    return Refusal(
        500, "internal", "the service failed; its log has the kind of error under this request's X-Request-Id"
    )
