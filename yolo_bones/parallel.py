"""Work on many items in several processes: results in order, few items held at a time.

A process that dies (killed for want of memory, say) is replaced, and the item that it had is named and tried once more.
Processes end with the one that started them, however that ends.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, Final, Generic, TypeVar

import cv2

from yolo_bones.errors import InputError, InputErrors, MachineError, YoloBonesError

Item = TypeVar("Item")
Result = TypeVar("Result")

TRIES: Final = 2
"""Of an item whose process died."""
PATIENCE_S: Final = 3.0
"""So long a process may take to end by itself."""
DIED: Final = (EOFError, ConnectionError)


class ToldFault(InputError):
    """A fault that another process found; only its text comes back."""

    def __init__(self, text: str) -> None:
        YoloBonesError.__init__(self, text)


def fault_texts(error: InputError) -> tuple[str, ...]:
    """The text of each fault of an error, for the way between processes."""
    return tuple(map(str, error.faults)) if isinstance(error, InputErrors) else (str(error),)


def work_in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int = 1,
    named: Callable[[Item], str] | None = None,
) -> Iterator[Result]:
    """Results of all items, in their order.

    Args:
        work: a function of a module (it is sent to other processes); may be done twice, should its process die.
        items: taken as they are needed.
        workers: processes; with 1 all is done in this one.
        named: what an item is called when its process dies; its number when not given.

    Raises:
        InputErrors: faults that a worker found in its item.
        MachineError: two processes died of one item.
    """
    if workers <= 1:
        yield from map(work, items)
        return
    crew: _Crew[Item, Result] = _Crew(work)
    threads = ThreadPoolExecutor(workers, "ask")
    try:
        waiting: deque[Future[Result]] = deque()
        for number, item in enumerate(items, start=1):
            name = named(item) if named else f"item {number}"
            waiting.append(threads.submit(crew.ask, item, name))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        crew.end()
        threads.shutdown()


@dataclass(frozen=True, slots=True)
class _Faulty:
    """Texts of faults: an `InputError` that is pickled cannot be read again."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


@dataclass(frozen=True, slots=True)
class _Done(Generic[Result]):
    result: Result


class _Crew(Generic[Item, Result]):
    """Processes that are started as they are needed; each works on one item at a time."""

    def __init__(self, work: Callable[[Item], Result]) -> None:
        self._work = work
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._all: list[_Worker] = []
        self._lock = threading.Lock()
        self._ended = False

    def ask(self, item: Item, name: str) -> Result:
        """Have an item worked on; called from a thread for each process."""
        for trial in range(TRIES):
            worker = self._free_worker()
            try:
                answer = worker.ask(item)
            except DIED:
                if self._ended:
                    break
                worker.end(0.0)
                if trial + 1 < TRIES:
                    how = "the process that worked on it was killed, perhaps for want of memory"
                    print(f"{name}: {how}; it is tried once more", file=sys.stderr)
                continue
            self._idle.put(worker)
            if isinstance(answer, _Faulty):
                raise InputErrors([ToldFault(text) for text in answer.texts])
            if isinstance(answer, _Failed):
                raise answer.error
            result: Result = answer.result
            return result
        reason = "the processes that worked on it were killed, perhaps for want of memory"
        raise MachineError(f"{name}: {reason}; try fewer --workers")

    def _free_worker(self) -> _Worker:
        try:
            return self._idle.get_nowait()
        except Empty:
            with self._lock:
                if self._ended:
                    raise MachineError("the work was ended") from None
                # Not forked: a copy of OpenCV's threads, once they run, waits for ever.
                self._all.append(_Worker(self._work))
                return self._all[-1]

    def end(self) -> None:
        """End all processes: those without work by themselves, others by a signal, after which they clean up."""
        with self._lock:
            self._ended = True
        while True:
            try:
                self._idle.get_nowait().let_go()
            except Empty:
                break
        for worker in self._all:
            worker.end(PATIENCE_S)


class _Worker:
    """One process."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        context = get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, work), daemon=True)
        self._let_go = False
        try:
            self._process.start()
        finally:
            there.close()

    def ask(self, item: Any) -> Any:
        """What it makes of an item; raises one of `DIED` when it dies of it."""
        self._connection.send(item)
        return self._connection.recv()

    def let_go(self) -> None:
        """Nothing more will be asked."""
        self._let_go = True
        self._connection.close()

    def end(self, patience_s: float) -> None:
        """Have it end, and wait for that."""
        if not self._let_go:
            self._process.terminate()
        self._process.join(patience_s)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()


def _serve(connection: Connection, work: Callable[[Any], Any]) -> None:
    """What a process does."""
    # An interrupt is the parent's to answer; it then lets its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _exit)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    with contextlib.suppress(*DIED):
        while True:
            item = connection.recv()
            connection.send(_answer(work, item))


def _answer(work: Callable[[Any], Any], item: Any) -> _Done[Any] | _Faulty | _Failed:
    try:
        return _Done(work(item))
    except InputError as error:
        return _Faulty(fault_texts(error))
    except Exception as error:
        told = "".join(traceback.format_exception(error))
        try:
            error.add_note(told)
            pickle.loads(pickle.dumps(error))  # noqa: S301 (its own)
        except Exception:
            return _Failed(RuntimeError(told))
        return _Failed(error)


def _exit(_: int, __: FrameType | None) -> None:
    # By an exception, so that half-written temporary files are removed on the way.
    sys.exit(1)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
