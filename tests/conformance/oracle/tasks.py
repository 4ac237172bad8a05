"""The steps of a task in the scenarios of kinds loop and tasks: what it waits for, alone or together with others."""

import asyncio

from .trace import Failed, ProtocolFailed


class Tasks:
    async def task(self, name, steps=()):
        """Does these steps, says when it begins and how it ends, and gives its name."""
        trace = self.trace
        trace.add(name, "begins")
        try:
            for step in steps:
                wait = getattr(self, "wait_" + step[0], None)
                if wait:
                    await wait(*step[1:])
                else:
                    self.act(step)
        except asyncio.CancelledError:
            trace.add(name, "cancelled")
            raise
        except Failed:
            trace.add(name, "fails")
            raise
        trace.add(name, "done")
        return name

    async def wait_yield(self):
        await asyncio.sleep(0)

    async def wait_sleep(self, ms):
        await asyncio.sleep(ms / 1000)

    async def wait_fail(self, text):
        raise Failed(text)

    async def wait_timeout(self, ms, name, steps):
        try:
            async with asyncio.timeout(ms / 1000):
                await self.task(name, steps)
        except TimeoutError:
            self.trace.add(name, "timed out")

    async def wait_wait_for(self, ms, name, steps):
        try:
            await asyncio.wait_for(self.task(name, steps), ms / 1000)
        except TimeoutError:
            self.trace.add(name, "timed out")

    async def wait_join(self, other):
        await self.join(other, self.named[other])

    async def wait_shield(self, other):
        await self.join(other, asyncio.shield(self.named[other]))

    async def join(self, other, awaitable):
        outcome = "done"
        try:
            await awaitable
        except asyncio.CancelledError:
            if asyncio.current_task().cancelling():
                raise
            outcome = "cancelled"
        except (Failed, ProtocolFailed):
            outcome = "failed"
        self.trace.add("joined", other, outcome)

    def event(self, name):
        """The event of this name, which is made when it is first named."""
        return self.events.setdefault(name, asyncio.Event())

    def op_set(self, name):
        self.event(name).set()

    async def wait_get(self, name):
        await self.event(name).wait()

    async def wait_group(self, name, steps):
        failures = []
        try:
            async with asyncio.TaskGroup() as group:
                self.groups[name] = group
                await self.task(name, steps)
        except BaseExceptionGroup as exc:
            failures = list(exc.exceptions)
        self.trace.add(name, "ended", failures)

    def op_child(self, group, name, steps=()):
        """Creates a task in a group that is known by its name."""
        task = self.task(name, steps)
        try:
            self.groups[group].create_task(task)
        except RuntimeError:
            # Before 3.13 it is left open.
            task.close()
            self.trace.add(name, "refused")

    async def outcome(self, name, steps=()):
        """What failed is an outcome as well, as a Result is; what raises is not."""
        try:
            return await self.task(name, steps)
        except Failed as exc:
            return exc

    async def wait_gather(self, children):
        try:
            outcomes = await asyncio.gather(*(self.outcome(*child) for child in children))
        except ProtocolFailed as exc:
            outcomes = exc
        self.trace.add("gathered", outcomes)

    async def wait_try_gather(self, children):
        try:
            outcomes = await asyncio.gather(*(self.task(*child) for child in children))
        except (Failed, ProtocolFailed) as exc:
            outcomes = exc
        self.trace.add("gathered", outcomes)

    async def wait_as_completed(self, children, most=None):
        # asyncio keeps what it is given in a set: as tasks they begin in their order.
        tasks = [asyncio.ensure_future(self.outcome(*child)) for child in children]
        for count, end in enumerate(asyncio.as_completed(tasks), 1):
            try:
                outcome = await end
            except ProtocolFailed as exc:
                outcome = exc
            self.trace.add("completed", outcome)
            if count == most:
                break

    async def wait_wait(self, until, names, ms=None):
        until = {"first": asyncio.FIRST_COMPLETED, "all": asyncio.ALL_COMPLETED}[until]
        tasks = [self.named[name] for name in names]
        timeout = None if ms is None else ms / 1000
        done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=until)
        self.trace.add("waited", [name for name in names if self.named[name] in done])


def sort_cancelled(trace):
    """What is cancelled together ends in any order: asyncio keeps the tasks of a group in a set."""
    is_cancelled = lambda entry: entry[1:] == ["cancelled"]
    at = 0
    while at < len(trace):
        end = at
        while end < len(trace) and is_cancelled(trace[end]):
            end += 1
        trace[at:end] = sorted(trace[at:end])
        at = end + 1
    return trace
