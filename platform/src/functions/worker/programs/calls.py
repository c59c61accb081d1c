# Calls that a function makes of others, and hearing of steps: before python.py, inside a sandbox.
import json, select, threading, time

reading = threading.Lock()
#: Calls of this instance that run, and those of them that wait for others.
live, resting = [0], [0]


class CallFailed(Exception):
    """A call of another function that failed for good."""

    def __init__(self, name, answer):
        failure = answer['failure']
        super().__init__('the call of "%s" failed: %s' % (name, failure['message']))
        self.reason = failure['reason']
        self.type = failure.get('type')
        self.invocation = answer.get('id')


class Suspended(BaseException):
    """Leaves the handler: the call is made again when those that it waits for have ended."""


def ask(kind, call, what):
    """Asks the platform something of a call; answers where the answer will be."""
    if call.get('over'):
        raise Suspended()
    with numbering:
        steps[0] += 1
        number = steps[0]
    waiting = steps[number] = {'number': number, 'event': threading.Event(), 'answer': None}
    send(kind, call['id'], json.dumps(dict(what, number=number)))
    return waiting


def heard(number, answer):
    waiting = steps.pop(number, None)
    if waiting:
        waiting['answer'] = answer
        waiting['event'].set()


def hear(waiting, until=None):
    """Waits until all of these are answered; False where that took until then."""
    # With several calls at once the main thread reads all the time; otherwise whoever waits does.
    reads = loaded['concurrency'] == 1 or threading.current_thread() is threading.main_thread()
    for one in waiting:
        while not one['event'].is_set():
            left = 0.5 if until is None else min(0.5, until - time.monotonic())
            if left <= 0:
                return False
            if not reads:
                one['event'].wait(left)
            elif reading.acquire(timeout=0.05):
                try:
                    if not one['event'].is_set() and select.select([connection], [], [], left)[0]:
                        take(*receive())
                finally:
                    reading.release()
    return True


def counted(counter, by):
    with numbering:
        counter[0] += by


def all_rest():
    """Whether every call of this instance only waits, and nothing was begun beside them: it would go on, and be begun again."""
    threads = 1 if loaded['concurrency'] == 1 else 1 + live[0]
    return resting[0] == live[0] and threading.active_count() == threads


def call_others(call, asked):
    """Makes these calls, or finds them where an earlier attempt made them, and waits until all have ended."""
    if call.get('step'):
        raise RuntimeError('a call of a function is kept by itself: make it outside of steps')
    waiting = []
    for one in asked:
        name, key = str(one['function']), one.get('key')
        count = call['counts'][name] = call['counts'].get(name, 0) + 1
        waiting.append(ask(CALL, call, {
            # The name of a function has no colon, so the two kinds never meet.
            'key': '%s %d' % (name, count) if key is None else ':%s' % key,
            'function': name,
            'version': None if one.get('version') is None else str(one['version']),
            'payload': json.dumps(one.get('payload')),
        }))
    after = call['head'].get('suspendAfterMs')
    counted(resting, 1)
    try:
        while not hear(waiting, None if after is None else time.monotonic() + after / 1000):
            if all_rest():
                call['over'] = True
                for one in waiting:
                    steps.pop(one['number'], None)
                send(SUSPEND, call['id'])
                raise Suspended()
    finally:
        counted(resting, -1)
    return [outcome_of(one, answered['answer']) for one, answered in zip(asked, waiting)]


def outcome_of(one, payload):
    head, body = headed(payload)
    if 'failure' in head:
        return None, CallFailed(one['function'], head)
    try:
        return json.loads(body) if body else None, None
    except ValueError:
        return body.decode('utf-8', 'replace'), None


class Calling:
    """What the context of a call has for calling others."""

    def invoke(self, function, payload=None, version=None, key=None):
        """Calls another function of yours and waits for what it answers. Raises CallFailed."""
        return self.all([{'function': function, 'payload': payload, 'version': version, 'key': key}])[0]

    def all(self, calls):
        """Calls all of them at once; raises what the first one failed with once all have ended."""
        outcomes = call_others(self._call, list(calls))
        for _, failure in outcomes:
            if failure:
                raise failure
        return [value for value, _ in outcomes]

    def all_settled(self, calls):
        """The same, answering for each what it came to, or its failure."""
        return [
            {'status': 'rejected', 'reason': failure} if failure else {'status': 'fulfilled', 'value': value}
            for value, failure in call_others(self._call, list(calls))
        ]
