"""`warren fn deploy examples/functions/words.py`, then `warren fn invoke words --data '{"text":"a b a"}'`."""
from collections import Counter


def handler(event, context):
    return Counter(event.get("text", "").split())
