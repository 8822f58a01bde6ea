"""The story of the demo, in parts that can be told alone: what companies do, what is done to them, and what comes of it.

Each module has STEPS, in their order; each step says which ones it needs before it.
"""
from . import network, phones, records, servers, strangers

STEPS = (*records.STEPS, *phones.STEPS, *network.STEPS, *strangers.STEPS, *servers.STEPS)


def with_needs(name):
    """The steps that one step needs, and itself, in order."""
    by_name = {step.name: step for step in STEPS}
    wanted = set()

    def add(needed):
        wanted.add(needed)
        for other in by_name[needed].needs:
            add(other)

    add(name)
    return [step for step in STEPS if step.name in wanted]
