"""Runs the scenarios of kinds loop and tasks: handles, timers and tasks, on a clock that jumps when nothing is ready."""

import asyncio
import selectors

from .tasks import Tasks, sort_cancelled
from .trace import ProtocolFailed, Trace


class JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting it moves the clock, and where there is nothing to wait for it stops the loop."""

    loop = None

    def select(self, timeout=None):
        events = super().select(0)
        if not events and timeout is None:
            self.loop.stop()
        elif not events:
            self.loop.elapsed += max(timeout, 0)
        return events


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.elapsed = 0.0
        super().__init__(JumpingSelector())
        self._selector.loop = self
        # Times are sums of floats: a deadline is met within a microsecond.
        self._clock_resolution = 1e-6

    def time(self):
        return self.elapsed


class Loop(Tasks):
    def __init__(self, scenario):
        self.scenario, self.trace = scenario, Trace()
        self.named, self.events, self.groups = {}, {}, {}
        self.loop = JumpingLoop()
        self.over = False

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(lambda loop, context: self.over or self.trace.add("reported"))
        for step in self.scenario["steps"]:
            self.act(step)
        self.over = True
        answer = self.trace.shaped()
        if self.scenario["kind"] == "tasks":
            sort_cancelled(answer)
        self.trace = Trace()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(self.ended(left))
        self.loop.close()
        return answer

    async def ended(self, tasks):
        await asyncio.gather(asyncio.sleep(0), *tasks, return_exceptions=True)

    def callback(self, name, steps):
        def call():
            self.trace.add(name)
            for step in steps:
                self.act(step)

        return call

    def act(self, step):
        name, *args = step
        getattr(self, "op_" + name)(*args)

    def op_soon(self, name, steps=()):
        self.named[name] = self.loop.call_soon(self.callback(name, steps))

    def op_remote(self, name, steps=()):
        self.loop.call_soon_threadsafe(self.callback(name, steps))

    def op_later(self, ms, name, steps=()):
        self.named[name] = self.loop.call_later(ms / 1000, self.callback(name, steps))

    def op_at(self, ms, name, steps=()):
        self.named[name] = self.loop.call_at(ms / 1000, self.callback(name, steps))

    def op_task(self, name, steps=()):
        self.named[name] = self.loop.create_task(self.task(name, steps))

    def op_cancel(self, name):
        self.named[name].cancel()

    def op_is_cancelled(self, name):
        self.trace.add("is_cancelled", name, self.named[name].cancelled())

    def op_stop(self):
        self.loop.stop()

    def op_time(self):
        self.trace.add("time", round(self.loop.time() * 1000))

    def op_say(self, text):
        self.trace.add(text)

    def op_raise(self):
        raise ProtocolFailed

    def op_run(self):
        self.loop.run_forever()
        self.trace.add("ran")

    def op_run_task(self, name, steps=()):
        try:
            self.loop.run_until_complete(self.task(name, steps))
        except RuntimeError:
            self.trace.add(name, "stopped")
