"""`trace`: the steps that led to a response or an error."""

from __future__ import annotations

from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, Any

from statuspolicy.fields.retry_after import seconds_to_wait
from statuspolicy.fields.section import Fields
from statuspolicy.message.steps import Step, Trace
from statuspolicy.policy.standard import STANDARD
from statuspolicy.policy.table import NOTHING
from statuspolicy.printable import given, printable
from statuspolicy.wire.httpx_internals import request_of
from statuspolicy.wire.library import ANY, NAMES, meet

if TYPE_CHECKING:
    from httpx import Request, Response

    from statuspolicy.message.protocols import AnyResponse

_MOST = 32  # errors that are searched: a chain may be long, and a group large


def trace(result: AnyResponse | BaseException) -> Trace:
    """Return the trace of a response or an error: a step for each answer.

    There is always a trace: where nothing was decided, its only step is made of the status code
    and the row of STANDARD. For an error that an SDK made from an error of httpx, or from a
    response, it is the trace of that one. Where a callable of the application raised (a duty,
    `prepare`, `confirm`, a hook, the client's own hooks and auth, a body), the last step names it.

    Raises TypeError for something that is neither a response nor an error.
    """
    # Not needed before there is a response, and adds nothing to the import.
    from statuspolicy.message.reason_phrase import phrase
    from statuspolicy.message.redirected import target
    from statuspolicy.message.response import CACHED, kept_trace

    meet(result)
    if isinstance(result, BaseException):
        result = _source(result)
    if (kept := kept_trace(result)) is not None:
        return _with_notes(kept, result)
    code: int | str
    wait, sent, why = None, None, ""
    if isinstance(result, ANY.Response):
        row = STANDARD.match(result)
        code, words = result.status_code, phrase(result)
        wait = seconds_to_wait(code, Fields(result.headers.raw), time())
    elif isinstance(result, BaseException):
        row = STANDARD.match(result) if isinstance(result, ANY.TransportError) else NOTHING
        code, words = type(result).__name__, printable(result)
        sent, why = _raised(result)
    else:
        raise TypeError(f"{given(result)} is neither a response nor an error: give one of the two.")
    request = request_of(result) if isinstance(result, (ANY.Response, ANY.RequestError)) else sent
    method, url = (request.method, target(request.url)) if request else ("", "")
    cache = str(result.extensions.get(CACHED, "")) if isinstance(result, ANY.Response) else ""
    step = Step(method, url, code, words, row.name, row.citation, "settle", told=wait, cache=cache)
    if why:
        step = step._replace(verdict="raise", reason=why)
    return _with_notes(Trace((step,)), result)


def _raised(error: BaseException) -> tuple[Request | None, str]:
    """The current request when an error was raised, and the callable that raised it.

    Both are taken from the traceback: an exchange does not see the callables that the library
    calls by itself, such as the client's hooks and auth, or a body.
    """
    request, why, below = None, "", error.__traceback__
    while below is not None:
        frame, below = below.tb_frame, below.tb_next
        if _package(frame.f_globals) not in _PACKAGES:
            continue
        found = frame.f_locals.get("request")
        request = found if isinstance(found, ANY.Request) else request
        why = ""
        if (
            below is not None
            and isinstance(error, Exception)  # and not Ctrl-C, which comes anywhere
            and _package(below.tb_frame.f_globals) not in _PACKAGES
        ):
            code, module = below.tb_frame.f_code, below.tb_frame.f_globals.get("__name__")
            where = f" (line {code.co_firstlineno})" if "<lambda>" in code.co_qualname else ""
            why = f"{module}.{code.co_qualname}{where} raised {type(error).__name__}"
    return (None, "") if request is None else (request, why)


def _package(module: dict[str, Any]) -> str:
    return str(module.get("__name__")).partition(".")[0]


# By the globals of the library's functions: some packages (openai) overwrite the `__module__` of
# its classes.
_PACKAGES = {_package(globals()), *NAMES}


def _source(error: BaseException) -> Response | BaseException:
    """The nearest response or error with a trace that led to an error; else the error itself.

    It is searched in the error's response, its cause and its context.
    """
    from statuspolicy.message.response import kept_trace

    found: list[BaseException] = [error]
    for one in found:  # the list grows meanwhile
        response: Any = None
        with suppress(Exception):  # it may be a property that raises
            response = getattr(one, "response", None)
        meet(one)
        meet(response)
        if kept_trace(one) is not None or isinstance(one, ANY.RequestError):
            return one
        if kept_trace(response) is not None or isinstance(response, ANY.Response):
            return response  # type: ignore[no-any-return]
        if _raised(one)[1]:
            return one
        group: Any = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        for beneath in (one.__cause__, one.__context__, *group):
            if beneath is None or any(beneath is other for other in found):
                continue
            if len(found) < _MOST:
                found.append(beneath)
    return error


def _with_notes(kept: Trace, result: AnyResponse | BaseException) -> Trace:
    """The trace with the notes of the response, whose body may have been read since."""
    if not isinstance(result, ANY.Response) or not kept:
        return kept
    from statuspolicy.fields.notices import joined, notes
    from statuspolicy.message.response import body_if_read

    *before, last = kept
    said = notes(result.status_code, Fields(result.headers.raw), body_if_read(result), time())
    if not said or said in last.reason:
        return kept
    return Trace((*before, last._replace(reason=printable(joined(last.reason, said)))))
