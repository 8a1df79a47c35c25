"""The two trampolines. They differ by `async` and `await` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statuspolicy.effects import (
    Approach,
    Ask,
    Behind,
    Chill,
    Discard,
    Enter,
    Forget,
    Leave,
    Look,
    Question,
    Read,
    Recall,
    Remember,
    Reply,
    Resume,
    Send,
    Shelve,
    Spend,
    Wait,
)
from statuspolicy.engine import converse
from statuspolicy.evidence import AsyncWatch, Watch, equipped, hinted, saw
from statuspolicy.hands import AsyncHands, Hands, alet_go, let_go
from statuspolicy.plan import Plan
from statuspolicy.response import kept_trace
from statuspolicy.straight import Straight
from statuspolicy.talk import Flow, Result
from statuspolicy.ways import Ways

if TYPE_CHECKING:
    from httpx import Response

# What a transport needs to see an exchange through.
__all__ = [
    "AsyncHands",
    "AsyncWatch",
    "Discard",
    "Hands",
    "Reply",
    "Straight",
    "Watch",
    "Ways",
    "alet_go",
    "arun",
    "converse",
    "equipped",
    "hinted",
    "let_go",
    "run",
    "saw",
]


def run(flow: Flow[Result], hands: Hands) -> Response:
    """Drive an exchange to its end. Whoever made the hands releases them if this raises."""
    value: object = None
    while True:
        try:
            effect = flow.send(value)
        except StopIteration as end:
            value = end.value
            break
        match effect:
            case Send():
                value = hands.send(effect)
            case Discard():
                value = hands.discard(effect)
            case Read():
                value = hands.read(effect)
            case Wait():
                hands.wait(effect.seconds)
                hands.still_open()
            case Ask():
                value = hands.ask(effect)
            case Resume():
                value = hands.resume(effect)
            case Look() | Shelve() | Behind():
                value = hands.cache(effect)
            case Enter():
                value = hands.enter(effect)
            case Leave():
                hands.leave()
            case Spend():
                hands.spend = effect  # before it is taken
                value = remembered(hands.plan, effect)
                if effect.back or value is None:
                    hands.spend = None
            case Approach():
                hands.approach = effect  # before it is taken
                value = remembered(hands.plan, effect)
                if value is not None:
                    hands.approach = None
            case _:
                value = remembered(hands.plan, effect)
    hands.leave()
    hands.ended = True
    hands.trace = kept_trace(value)
    try:
        return _result(value)
    finally:
        del value  # or the traceback of an error would hold the error


async def arun(flow: Flow[Result], hands: AsyncHands) -> Response:
    """Drive an exchange to its end. Whoever made the hands releases them if this raises."""
    value: object = None
    while True:
        try:
            effect = flow.send(value)
        except StopIteration as end:
            value = end.value
            break
        match effect:
            case Send():
                value = await hands.send(effect)
            case Discard():
                value = await hands.discard(effect)
            case Read():
                value = await hands.read(effect)
            case Wait():
                await hands.wait(effect.seconds)
                hands.still_open()
            case Ask():
                value = await hands.ask(effect)
            case Resume():
                value = hands.resume(effect)
            case Look() | Shelve() | Behind():
                value = await hands.cache(effect)
            case Enter():
                value = await hands.enter(effect)
            case Leave():
                hands.leave()
            case Spend():
                hands.spend = effect  # before it is taken
                value = remembered(hands.plan, effect)
                if effect.back or value is None:
                    hands.spend = None
            case Approach():
                hands.approach = effect  # before it is taken
                value = remembered(hands.plan, effect)
                if value is not None:
                    hands.approach = None
            case _:
                value = remembered(hands.plan, effect)
    hands.leave()
    hands.ended = True
    hands.trace = kept_trace(value)
    try:
        return _result(value)
    finally:
        del value  # or the traceback of an error would hold the error


def _result(value: Any) -> Response:
    # Raised here, where no frame of the engine is left for the traceback to hold.
    try:
        if isinstance(value, Exception):
            raise value
        response: Response = value
        return response
    finally:
        del value


def remembered(plan: Plan, effect: Question) -> object:
    """What the plan's memory answers."""
    memory, clock = plan.memory, plan.clock
    answer: object = None
    match effect:
        case Recall(url):
            answer = memory.recall(url, clock.time())
        case Remember(url, move, seconds):
            memory.remember(url, move, seconds, clock.time())
        case Forget(url):
            memory.forget_moves_to(url)
        case Spend(origin, budget, back=True):
            memory.refund(origin, budget)
        case Spend(origin, budget):
            answer = memory.spend(origin, budget, clock.monotonic())
        case Approach(origin, now):
            answer = memory.approach(origin, now)
        case Chill(origin, None):
            memory.warm(origin, clock.monotonic())
        case _:
            assert effect.cool is not None
            answer = memory.cool(effect.origin, effect.cool, clock.monotonic())
    return answer
