"""What handling a status code costs in Python: `make bench`, or `make bench-quick`.

All contenders of a scenario run in one process, in turn; the figures are medians of their
ratios. `--quick` takes a few rounds, to see that it runs, and writes nothing.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import in_memory
import loopback
from measure import Result, compare
from report import Measured, lines, markdown, others, picture
from waiting import measure

HERE = Path(__file__).parent


def imports(rounds: int) -> tuple[float, float]:
    """Milliseconds that `import statuspolicy` adds to `import httpx`, in processes of their own."""
    code = (
        "import time, httpx; start = time.perf_counter(); import statuspolicy, sys; "
        "print((time.perf_counter() - start) * 1000); assert 'asyncio' not in sys.modules"
    )
    # With its bytecode cached, as an installed package has it.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    took = [
        float(
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
            ).stdout
        )
        for _ in range(rounds)
    ]
    return statistics.median(took), min(took)


def shown(result: Result) -> Result:
    print(*lines(result), sep="\n", flush=True)
    return result


def main(*arguments: str) -> None:
    quick = "--quick" in arguments
    rounds, sizes = (3, (100,)) if quick else (31, (1000, 2000, 10000))
    results = [shown(compare(scenario, rounds)) for scenario in in_memory.scenarios()]
    over_sockets, connections = loopback.run(3 if quick else 15)
    results += map(shown, over_sockets)
    waiting = [found for requests in sizes for found in measure(requests)]
    measured = Measured(results, connections, waiting, imports(rounds))
    print("", *others(measured), sep="\n")
    if not quick:
        (HERE / "results.md").write_text(markdown(measured), "utf-8")
        (HERE / "results.svg").write_text(picture(results), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
