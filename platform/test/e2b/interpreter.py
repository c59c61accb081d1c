"""What a Python program does with E2B's client of the code interpreter, both kinds of it. Prints the name of each step."""

import asyncio
import os
import sys

from e2b_code_interpreter import AsyncSandbox, Sandbox


def step(name, ok=True):
    assert ok, name
    print(name, flush=True)


PLOT = """
import matplotlib.pyplot as plt
plt.bar(["A", "B"], [1, 2], label="sold")
plt.show()
"""


def sync():
    sandbox = Sandbox.create(envs={"FROM": "sandbox"})
    heard = []
    told = sandbox.run_code("x = 41\nprint('out ü')\nx + 1", on_stdout=lambda message: heard.append(message.line))
    step("run", told.text == "42" and "".join(heard) == "out ü\n" and told.execution_count == 1)
    error = sandbox.run_code("1 / 0").error
    step("error", error.name == "ZeroDivisionError" and "line 1" in error.traceback)
    step("environment", sandbox.run_code("import os; os.environ['FROM'] + os.environ['ONE']", envs={"ONE": "1"}).text == "sandbox1")
    result = sandbox.run_code(PLOT).results[0]
    step("chart", result.png and result.chart.elements[1].value == 2 and result.chart.type.value == "bar")
    table = sandbox.run_code("import pandas as pd\npd.DataFrame({'a': [1, 2]})").results[0]
    step("data", table.data == {"a": [1, 2]} or list(table.data["a"]) == [1, 2])
    line = sandbox.run_code("import numpy as np, matplotlib.pyplot as plt\nplt.plot(np.linspace(0, 2, 3), np.zeros(3)); plt.show()").results[0].chart
    numbers = [*line.x_ticks, *line.y_ticks, *(each for point in line.elements[0].points for each in point)]
    step("floats", all(isinstance(number, float) for number in numbers))
    told = sandbox.run_code("{'whole': 1.0, 'exact': 2 ** 60 + 1, 'line': 'a\\nb'}").results[0].json
    step("numbers", repr(told) == repr({"whole": 1.0, "exact": 2**60 + 1, "line": "a\nb"}))
    context = sandbox.create_code_context(cwd="/tmp", language="python")
    step("context", sandbox.run_code("import os; os.getcwd()", context=context).text == "/tmp")
    step("list", context.id in [one.id for one in sandbox.list_code_contexts()])
    sandbox.restart_code_context(context)
    sandbox.remove_code_context(context)
    step("bash", "".join(sandbox.run_code("echo $((6*7))", language="bash").logs.stdout) == "42\n")
    step("end", sandbox.kill())


async def asynchronous():
    sandbox = await AsyncSandbox.create()
    step("async run", (await sandbox.run_code("await __import__('asyncio').sleep(0, 'x')")).text == "x")
    step("async end", await sandbox.kill())


sync()
asyncio.run(asynchronous())
# What the client leaves behind in threads of its own can abort a Python that ends in the ordinary way.
sys.stdout.flush()
os._exit(0)
