"""A CPython with live state of many kinds, which checks itself when SIGTERM comes, as victims do.

Four threads that count, 300 MB of which no page is like another, a SQLite database in an open transaction,
an interval timer that ticks, an open file that is read half.
"""
import gc, os, random, signal, sqlite3, sys, threading, time

MEGABYTES = int(sys.argv[1])
os.closerange(3, 1024)


def say(line):
    os.write(1, (line + "\n").encode())


def block(number):
    return random.Random(number).randbytes(1 << 20)


blocks = [block(number) for number in range(MEGABYTES)]

counts = [0] * 4


def count(number):
    while True:
        counts[number] += 1
        time.sleep(0.002)


for number in range(4):
    threading.Thread(target=count, args=(number,), daemon=True).start()

# Without locks: a file lock is something else, and refused.
database = sqlite3.connect("file:rows.db?nolock=1", uri=True, isolation_level=None)
database.execute("CREATE TABLE rows (number INTEGER, text TEXT)")
database.execute("INSERT INTO rows VALUES (-1, 'before')")
database.execute("BEGIN IMMEDIATE")
database.executemany("INSERT INTO rows VALUES (?, ?)", [(n, "row %d" % n) for n in range(5000)])

ticks = 0


def tick(*_):
    global ticks
    ticks += 1


signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)

with open("lines", "w") as file:
    file.writelines("line %d\n" % n for n in range(10000))
lines = open("lines")
first = [lines.readline() for _ in range(5000)]

told = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: told.set())


def check(condition, what):
    if not condition:
        say("FAIL: " + what)
        os._exit(1)


say("READY %d" % os.getpid())
while not told.is_set():
    time.sleep(0.05)

before, ticked = list(counts), ticks
time.sleep(0.5)
check(all(now > then for now, then in zip(counts, before)), "a thread stands still: %s, %s" % (before, counts))
check(ticks > ticked, "the timer does not tick")
for number, content in enumerate(blocks):
    expected = block(number)
    for at in range(0, 1 << 20, 4096):
        check(content[at : at + 4096] == expected[at : at + 4096], "page %d of block %d" % (at >> 12, number))
check(database.in_transaction, "the transaction is gone")
check(database.execute("SELECT count(*), sum(number) FROM rows").fetchone() == (5001, 12497499), "rows in the transaction")
database.execute("ROLLBACK")
check(database.execute("SELECT number, text FROM rows").fetchall() == [(-1, "before")], "rows after the rollback")
check(first + lines.readlines() == ["line %d\n" % n for n in range(10000)], "the lines of the file")
gc.collect()
check(len(threading.enumerate()) == 5, "threads")
say("PASS")
os._exit(0)
