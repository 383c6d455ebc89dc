"""A lock of postgresql-lock over psycopg 3, held in turn with another process."""

import psycopg
from measurement import alternate, parse_arguments
from postgresql_lock import Lock

arguments = parse_arguments(["postgresql-lock"])
with psycopg.connect(arguments.url, autocommit=True) as connection:
    lock = Lock(connection, "handover")
    alternate(lock.acquire, lock.release)
