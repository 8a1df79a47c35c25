"""The two trampolines. They differ by `async` and `await` alone."""

from __future__ import annotations

from typing import Any

from ._lib import Response
from .effects import Ask, Discard, Read, Recall, Remember, Send, Spend, Wait
from .engine import Flow, Result
from .hands import AsyncHands, Hands
from .plan import Plan


def run(flow: Flow[Result], hands: Hands) -> Response:
    """Drive an exchange to its end. On any exception the response still held is closed."""
    value: object = None
    try:
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
                    hands.plan.clock.sleep(effect.seconds)
                case Ask():
                    value = hands.ask(effect)
                case _:
                    value = remembered(hands.plan, effect)
    except BaseException:
        hands.drop()
        raise
    try:
        return _result(value)
    finally:
        del value  # or the traceback of an error would hold the error


async def arun(flow: Flow[Result], hands: AsyncHands) -> Response:
    """Drive an exchange to its end. On any exception the response still held is closed."""
    value: object = None
    try:
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
                    await hands.plan.clock.asleep(effect.seconds)
                case Ask():
                    value = await effect.answer
                case _:
                    value = remembered(hands.plan, effect)
    except BaseException:
        await hands.drop()
        raise
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


def remembered(plan: Plan, effect: Recall | Remember | Spend) -> object:
    """What the plan's memory answers."""
    memory = plan.memory
    match effect:
        case Recall(url):
            return memory.recall(url, plan.clock.time())
        case Remember(url, move, seconds):
            memory.remember(url, move, seconds, plan.clock.time())
            return None
        case _:
            return memory.spend(effect.origin, effect.budget, plan.clock.monotonic())
