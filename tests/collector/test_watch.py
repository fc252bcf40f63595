"""Which attributes become columns."""

from __future__ import annotations

import pytest

from eigenspan.collector.errors import ConfigError
from eigenspan.collector.spans import FIXED, schema_of
from eigenspan.collector.watch import BUILT_IN, OTHER_NAME_COLUMNS, compile_watch
from eigenspan.semconv import attributes as q
from eigenspan.semconv import tables


def test_every_stage_finds_its_columns():
    watch = {w.column: w for w in compile_watch()}
    assert list(watch) == [*BUILT_IN, "span_type", *OTHER_NAME_COLUMNS]
    assert watch["service"].level == "resource"
    assert list(schema_of(compile_watch())) == [*FIXED, *watch]


def test_a_watched_attribute_cannot_take_the_name_of_a_column():
    with pytest.raises(ConfigError, match="backend, quantum: a column of that name is there already"):
        compile_watch(["quantum", "mine", "backend"])


@pytest.mark.parametrize("column", [c for c in BUILT_IN if c != "error_type"])
def test_older_names_and_vendor_names_mean_the_same_and_the_new_one_wins(column):
    key = BUILT_IN[column][0]
    watched = next(w for w in compile_watch() if w.column == column)
    assert watched.keys == tables.ALIASES.get(key, (key,))
    assert watched.keys[0] == key


def test_every_key_that_means_an_error_is_watched():
    watched = next(w for w in compile_watch() if w.column == "error_type")
    assert watched.keys[0] == "error.type"
    assert set(tables.ERROR_KEYS) <= set(watched.keys)


def test_more_attributes_are_columns_under_their_own_names():
    *_, shots, own = compile_watch(["quantum.job.shots", "my.key", "my.key"])
    assert (shots.column, shots.type, shots.level) == (q.QUANTUM_JOB_SHOTS, "int", "span")
    assert (own.column, own.type, own.keys) == ("my.key", "string", ("my.key",))


def test_an_array_is_watched_as_a_string():
    arrays = [key for key, type_ in tables.TYPES.items() if "[" in type_]
    assert arrays
    assert compile_watch(arrays[:1])[-1].type == "string"
