# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Eight controllers at once on the same names: one living instance of each, and no change is lost."""

from __future__ import annotations

import multiprocessing
import random
import traceback

import sqlalchemy

PROCESSES = 8
ROUNDS = 5
NAMES = ("a", "b")
DATA = {"name": "data", "size": 1, "delete_on_termination": True}


def at_once(work):
    """What work(index) returned in each process, or its traceback."""
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def guarded(index):
        random.seed(index)
        try:
            answers.put((True, work(index)))
        except BaseException:
            answers.put((False, traceback.format_exc()))

    processes = [context.Process(target=guarded, args=(index,)) for index in range(PROCESSES)]
    for process in processes:
        process.start()
    told = [answers.get(timeout=120) for _process in processes]
    for process in processes:
        process.join()
    assert all(good for good, _answer in told), "\n".join(str(answer) for good, answer in told if not good)
    return [answer for _good, answer in told]


def rows(url, sql):
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    with engine.connect() as connection:
        return connection.exec_driver_sql(sql).all()


def test_launching_and_destroying_the_same_names(run, database_url):
    def work(index):
        launched = destroyed = 0
        mine = run(run_id="run-%d" % index, quotas={"instances": len(NAMES), "volumes": len(NAMES)})
        for _round in range(ROUNDS):
            entries = [{"name": name, "volumes": [DATA]} for name in random.sample(NAMES, len(NAMES))]
            going = [document for document in mine.ask(*entries).values() if not document["msg"]]
            launched += sum(
                document["status"] == "ACTIVE" for document in mine.built(*going).values() if document["changed"]
            )
            going = [document for document in mine.ask(*entries, state="absent").values() if not document["msg"]]
            gone = mine.destroyed(*[document for document in going if document["uuid"]])
            destroyed += sum(document["status"] == "DELETED" and not document["msg"] for document in gone.values())
        return launched, destroyed

    told = at_once(work)
    launched, destroyed = (sum(numbers) for numbers in zip(*told))
    living = rows(database_url, "select name, count(*) from instances where deleted = 0 group by name")
    assert all(number == 1 for _name, number in living)
    assert rows(database_url, "select count(*) from instances where deleted != 0") == [(destroyed,)]
    assert rows(database_url, "select count(*) from instances where launched_at is not null") == [(launched,)]
    assert launched > 0
    actions = rows(
        database_url, "select instance_uuid, action, count(*) from instance_actions group by instance_uuid, action"
    )
    assert all(number == 1 for _uuid, _action, number in actions)
    kept = rows(database_url, "select count(*) from volumes")[0][0]
    assert kept == len(living)


def test_no_change_is_lost(run, put):
    run().ask({"metadata": {"n": "0"}})
    put(web="c1")
    run().built(run().find()["web"])

    def work(index):
        added = 0
        mine = run(run_id="run-%d" % index)
        for _round in range(ROUNDS * 4):
            document = mine.ask()["web"]
            if document["msg"]:
                continue
            more = {"n": str(int(document["metadata"]["n"]) + 1)}
            added += mine.ask({"metadata": more})["web"]["changed"]
            mine.built(document)
        return added

    added = sum(at_once(work))
    assert run().find()["web"]["metadata"] == {"n": str(added)}
    assert added > 0
