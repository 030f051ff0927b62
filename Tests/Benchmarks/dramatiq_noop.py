"""What Dramatiq makes of jobs that do nothing, without results or statuses, to compare `warren bench` with.

    python dramatiq_noop.py N        fills the queue with N messages; no worker is to run
    dramatiq dramatiq_noop -p 1      a worker; the one that runs the last message writes the rate to $RATE_FILE

$BROKER is an AMQP URL, $MESSAGES is N for the worker. `sh compose/bench` installs Dramatiq and runs this.
"""

import itertools
import os
import sys
import time

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

dramatiq.set_broker(RabbitmqBroker(url=os.environ["BROKER"]))

count = itertools.count(1)
begin = None


@dramatiq.actor(queue_name="dramatiq-noop", max_retries=0)
def noop():
    global begin
    number = next(count)
    # From the first to the last, so that the start of the worker does not count.
    if number == 1:
        begin = time.monotonic()
    elif number == int(os.environ["MESSAGES"]):
        rate = (number - 1) / (time.monotonic() - begin)
        path = os.environ["RATE_FILE"]
        with open(path + ".new", "w") as file:
            file.write(f"{rate:.0f}\n")
        os.rename(path + ".new", path)


if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        noop.send()
