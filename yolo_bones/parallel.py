"""Work on many items in several processes: results in order, few items held at a time."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Generic, TypeVar

import cv2

from yolo_bones.errors import InputError, InputErrors, MachineError, YoloBonesError

Item = TypeVar("Item")
Result = TypeVar("Result")


class ToldFault(InputError):
    """A fault that another process found; only its text comes back."""

    def __init__(self, text: str) -> None:
        YoloBonesError.__init__(self, text)


def fault_texts(error: InputError) -> tuple[str, ...]:
    """The text of each fault of an error, for the way between processes."""
    return tuple(map(str, error.faults)) if isinstance(error, InputErrors) else (str(error),)


@dataclass(frozen=True, slots=True)
class _Faulty:
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Guarded(Generic[Item, Result]):
    """Work whose faults come back as a result: an `InputError` that is pickled cannot be read again."""

    work: Callable[[Item], Result]

    def __call__(self, item: Item) -> Result | _Faulty:
        try:
            return self.work(item)
        except InputError as error:
            return _Faulty(fault_texts(error))


def work_in_order(work: Callable[[Item], Result], items: Iterable[Item], workers: int = 1) -> Iterator[Result]:
    """Results of all items, in their order.

    Args:
        work: a function of a module (it is sent to other processes).
        items: taken as they are needed.
        workers: processes; with 1 all is done in this one.

    Raises:
        InputErrors: faults that a worker found in its item.
        MachineError: a worker was killed.
    """
    if workers <= 1:
        yield from map(work, items)
        return
    # Not forked: a copy of OpenCV's threads, once they run, waits for ever.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start_worker)
    try:
        waiting: deque[Future[Result | _Faulty]] = deque()
        for item in items:
            waiting.append(pool.submit(_Guarded(work), item))
            if len(waiting) > 2 * workers:
                yield _checked(waiting.popleft().result())
        while waiting:
            yield _checked(waiting.popleft().result())
    except BrokenProcessPool as error:
        raise MachineError("a worker was killed, perhaps for want of memory; try fewer --workers") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _checked(result: Result | _Faulty) -> Result:
    if isinstance(result, _Faulty):
        raise InputErrors([ToldFault(text) for text in result.texts])
    return result


def _start_worker() -> None:
    # An interrupt is the parent's to answer; it then lets its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
