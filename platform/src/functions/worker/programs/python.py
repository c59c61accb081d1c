# Runs inside a sandbox after calls.py: waits for the code of one function, then answers its calls. Descriptor 3 is
# the platform. Frames are `u32 length, u8 kind, u32 id, payload`; see worker/frames.ts, which is the other side.
# What only some handlers need is imported where it is needed: asyncio alone is 4 MB of every worker that waits, and half its start.
import gc, importlib, io, json, os, re, socket, struct, sys, time
from types import AsyncGeneratorType, CoroutineType, GeneratorType

LOAD, INVOKE, CANCEL, STEPPED, CALLED, ROOM = 1, 2, 3, 4, 5, 6
LOADED, REFUSED, RESULT, FAILED, HEAD, CHUNK, END, LOG, STEP, CALL, SUSPEND = 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
MOST_LOG = 256 * 1024
ROOT = '/home/user/function'

connection = None
sending = threading.Lock()
local = threading.local()
loaded = {}
#: Of calls beside others: how much each may send before more is read. One that is alone waits where it sends.
rooms = {}
#: Who waits for an answer of the platform, by number; the last number at 0.
steps = {0: 0}
numbering = threading.Lock()


def send(kind, number, payload=b''):
    if isinstance(payload, str):
        payload = payload.encode('utf-8', 'replace')
    with sending:
        connection.sendall(struct.pack('>IBI', len(payload) + 5, kind, number) + payload)


def receive_exactly(count):
    parts = bytearray()
    while len(parts) < count:
        piece = connection.recv(min(count - len(parts), 1 << 20))
        if not piece:
            os._exit(0)
        parts += piece
    return bytes(parts)


def receive():
    length, kind, number = struct.unpack('>IBI', receive_exactly(9))
    return kind, number, receive_exactly(length - 5)


def headed(payload):
    (length,) = struct.unpack('>I', payload[:4])
    return json.loads(payload[4:4 + length]), payload[4 + length:]


class Output(io.TextIOBase):
    encoding = 'utf-8'

    def writable(self):
        return True

    def write(self, text):
        call = getattr(local, 'call', None)
        if call is None:
            return len(text)
        if call['logged'] <= MOST_LOG:
            call['logged'] += len(text)
            if call['logged'] > MOST_LOG:
                text = text[:4096] + '\n[the log ends here: over 256 KiB]\n'
            send(LOG, call['id'], text)
        return len(text)


def told(error):
    import traceback
    stack = ''.join(traceback.format_exception(type(error), error, error.__traceback__))
    return {'type': type(error).__name__, 'message': str(error)[:8192], 'stack': stack[-16384:]}


class Refused(Exception):
    def __init__(self, reason, message):
        super().__init__(message)
        self.reason = reason


def load(payload):
    global loaded
    head, body = headed(payload)
    os.environ.update(head['env'])
    at = 0
    for entry in head['files']:
        path = os.path.join(ROOT, entry['path'])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(body[at:at + entry['bytes']])
        at += entry['bytes']
    os.chdir(ROOT)
    sys.path.insert(0, ROOT)
    wanted = head.get('handler')
    module_name = head['entry'][:-3].replace('/', '.')
    name = wanted
    if wanted and '.' in wanted:
        module_name, name = wanted.rsplit('.', 1)
    module = importlib.import_module(module_name.replace('/', '.'))
    names = [name] if name else ['handler', 'lambda_handler', 'main']
    handler = next((getattr(module, one) for one in names if callable(getattr(module, one, None))), None)
    if handler is None:
        there = ', '.join(key for key in vars(module) if not key.startswith('_')) or 'nothing'
        raise Refused('missing_handler', 'the code has %s, and not %s' % (there[:500], ' or '.join('"%s"' % one for one in names)))
    gc.freeze()
    loaded = dict(head, call=handler)
    send(LOADED, 0)


class Identity:
    cognito_identity_id = None
    cognito_identity_pool_id = None


class Context(Calling):
    client_context = None
    identity = Identity()

    def __init__(self, call):
        head = call['head']
        name, version = loaded['name'], str(loaded['version'])
        self._call = call
        self.function_name = name
        self.function_version = version
        self.invoked_function_arn = 'arn:warren:lambda:local:%s:function:%s:%s' % (loaded['account'], name, version)
        self.memory_limit_in_mb = str(loaded['memoryMb'])
        self.aws_request_id = self.request_id = head['requestId']
        self.log_group_name = '/warren/functions/' + name
        self.log_stream_name = head['requestId']
        self.traceparent = head.get('traceparent')
        self.attempt = head.get('attempt', 1)

    def get_remaining_time_in_millis(self):
        return max(0, int((self._call['until'] - time.monotonic()) * 1000))

    def log(self, message):
        sys.stdout.write(str(message))

    def step(self, name, work):
        """Does the work of a step once for all attempts of this call."""
        known = ask_step(self._call, {'name': str(name)})
        if known.get('found'):
            return known.get('value')
        outer, self._call['step'] = self._call['step'], True
        try:
            value = work()
        finally:
            self._call['step'] = outer
        kept = ask_step(self._call, {'name': str(name), 'value': value, 'done': True})
        if kept.get('error'):
            raise RuntimeError(kept['error'])
        return value


def ask_step(call, what):
    waiting = ask(STEP, call, what)
    hear([waiting])
    return json.loads(waiting['answer'])


def url_event(call, body):
    import base64, urllib.parse
    http = call['head']['http']
    url = urllib.parse.urlsplit(http['url'])
    headers = dict((name, value) for name, value in http['headers'])
    is_text = re.match(r'(text/|application/(json|xml|x-www-form-urlencoded|javascript|[\w.+-]*\+json))', headers.get('content-type', 'text/'))
    query = {}
    for name, value in urllib.parse.parse_qsl(url.query, keep_blank_values=True):
        query[name] = query[name] + ',' + value if name in query else value
    route = http.get('route') or {'key': '$default'}
    event = {
        'version': '2.0', 'routeKey': route['key'], 'rawPath': url.path, 'rawQueryString': url.query, 'headers': headers,
        'queryStringParameters': query, 'isBase64Encoded': bool(body) and not is_text,
        'requestContext': {
            'accountId': loaded['account'], 'domainName': url.netloc, 'requestId': call['head']['requestId'], 'stage': '$default',
            'routeKey': route['key'], 'timeEpoch': int(time.time() * 1000),
            'http': {'method': http['method'], 'path': url.path, 'protocol': 'HTTP/1.1', 'sourceIp': http.get('address') or '',
                     'userAgent': headers.get('user-agent', '')},
        },
    }
    if 'params' in route:
        event['pathParameters'] = route['params']
    if body:
        event['body'] = body.decode('utf-8', 'replace') if is_text else base64.b64encode(body).decode()
    return event


def encode(value):
    # Nobody has a date who has not imported this.
    datetime = sys.modules.get('datetime')
    if datetime and isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    raise TypeError('a result of type %s is not JSON' % type(value).__name__)


def answer(call, value):
    if isinstance(value, (GeneratorType, AsyncGeneratorType)):
        return answer_pieces(call, value)
    if 'http' in call['head'] and call['head']['http'] and isinstance(value, dict) and isinstance(value.get('statusCode'), int):
        return answer_url(call, value)
    if isinstance(value, (bytes, bytearray)):
        return whole(call, {'status': 200, 'headers': [['content-type', 'application/octet-stream']]}, bytes(value))
    data = json.dumps(value, default=encode, ensure_ascii=False, allow_nan=False).encode('utf-8', 'replace')
    check_size(call, len(data))
    send(RESULT, call['id'], data)


def check_size(call, size):
    most = call['head']['mostBytes']
    if size > most:
        raise Refused('response_too_large', 'the result has %d bytes, over the %d that a result may have; stream it instead' % (size, most))


def whole(call, head, data):
    check_size(call, len(data))
    send(HEAD, call['id'], json.dumps(head))
    send(END, call['id'], data)


def answer_url(call, value):
    pairs = [[str(name).lower(), str(one)] for name, one in (value.get('headers') or {}).items()]
    pairs += [['set-cookie', str(cookie)] for cookie in value.get('cookies') or []]
    if not any(name == 'content-type' for name, _ in pairs):
        pairs.append(['content-type', 'application/json'])
    body = value.get('body')
    text = '' if body is None else body if isinstance(body, str) else json.dumps(body)
    if value.get('isBase64Encoded'):
        import base64
        data = base64.b64decode(text)
    else:
        data = text.encode()
    whole(call, {'status': value['statusCode'], 'headers': pairs}, data)


class Gone(Exception):
    """Leaves an answer that nobody waits for any more."""


class Room:
    def __init__(self, size):
        self.left = size
        self.gone = False
        self.more = threading.Condition()

    def add(self, size):
        with self.more:
            self.left += size
            self.more.notify()

    def close(self):
        with self.more:
            self.gone = True
            self.more.notify()

    def take(self, size):
        with self.more:
            self.left -= size
            while self.left <= 0 and not self.gone:
                self.more.wait()
            if self.gone:
                raise Gone('the caller has gone')


def overhear(call):
    """Reads what the platform has said meanwhile, where nobody else reads. Leaves the answer whose caller has gone."""
    while reading.acquire(blocking=False):
        try:
            if not select.select([connection], [], [], 0)[0]:
                break
            take(*receive())
        finally:
            reading.release()
    if call.get('gone'):
        raise Gone('the caller has gone')


def answer_pieces(call, pieces):
    send(HEAD, call['id'], '{}')
    if isinstance(pieces, AsyncGeneratorType):
        import asyncio
        source, loop = pieces, asyncio.new_event_loop()

        def walk():
            while True:
                try:
                    yield loop.run_until_complete(source.__anext__())
                except StopAsyncIteration:
                    return
        pieces = walk()
    for piece in pieces:
        if loaded['concurrency'] == 1:
            overhear(call)
        data = bytes(piece) if isinstance(piece, (bytes, bytearray)) else piece.encode() if isinstance(piece, str) else (json.dumps(piece) + '\n').encode()
        for at in range(0, len(data), 65536):
            send(CHUNK, call['id'], data[at:at + 65536])
            if call['id'] in rooms:
                rooms[call['id']].take(min(65536, len(data) - at))
    send(END, call['id'])


def invoke(number, payload):
    head, body = headed(payload)
    call = local.call = {'id': number, 'logged': 0, 'head': head, 'until': time.monotonic() + head['timeoutMs'] / 1000, 'counts': {}, 'step': False}
    counted(live, 1)
    if 'windowBytes' in head:
        rooms[number] = Room(head['windowBytes'])
    try:
        if head.get('http'):
            event = url_event(call, body)
        else:
            try:
                event = json.loads(body) if body else None
            except ValueError as error:
                raise Refused('bad_json', 'the payload is not JSON: %s' % error)
        value = loaded['call'](event, Context(call))
        if isinstance(value, CoroutineType):
            import asyncio
            value = asyncio.run(value)
        if not call.get('over'):
            answer(call, value)
    except Suspended:
        pass
    except Refused as error:
        send(FAILED, number, json.dumps({'reason': error.reason, 'message': str(error)}))
    except SystemExit as error:
        os._exit(error.code if isinstance(error.code, int) else 0 if error.code is None else 1)
    except BaseException as error:
        send(FAILED, number, json.dumps(dict(told(error), reason='error')))
    finally:
        counted(live, -1)
        rooms.pop(number, None)
        local.call = None


def take(kind, number, payload):
    if kind == INVOKE:
        if loaded['concurrency'] > 1:
            threading.Thread(target=invoke, args=(number, payload), daemon=True).start()
        else:
            invoke(number, payload)
    elif kind in (ROOM, CANCEL):
        if kind == CANCEL and getattr(local, 'call', None) and local.call['id'] == number:
            local.call['gone'] = True
        room = rooms.get(number)
        if room:
            room.close() if kind == CANCEL else room.add(struct.unpack('>I', payload)[0])
    elif kind in (STEPPED, CALLED):
        heard(number, payload)
    elif kind == LOAD:
        try:
            load(payload)
        except Refused as error:
            send(REFUSED, 0, json.dumps({'reason': error.reason, 'message': str(error)}))
        except BaseException as error:
            send(REFUSED, 0, json.dumps(dict(told(error), reason='load_failed')))


def preload(names):
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException as error:
            os.write(1, ('cannot preload "%s": %s\n' % (name, str(error).replace('\n', ' ')[:500])).encode('utf-8', 'replace'))
            os._exit(1)


def serve():
    global connection
    preload(sys.argv[2:])
    # The platform.
    connection = socket.socket(fileno=3)
    os.set_inheritable(3, False)
    os.write(1, b'ready\n')
    sys.stdout = sys.stderr = Output()
    while True:
        take(*receive())


serve()
