"""Paths find, set and copy values in JSON of any shape."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsdk.utils.jsonpaths import MISSING, assign, copy, find, first, move

DOCUMENT = {"a": {"b": [{"c": 1}, {"c": None}, {"d": 2}]}, "x-y": {"k l": 3}, "list": [[1, 2], [3]], "none": None}


@pytest.mark.parametrize(
    "path, found",
    [
        ("$", [DOCUMENT]),
        ("$.a.b[0].c", [1]),
        ("a.b[0].c", [1]),
        ("$.a.b[1].c", [None]),
        ("$.a.b[2].c", []),
        ("$.a.b[3].c", []),
        ("$.a.b.c", []),
        ("$.a[0]", []),
        ("$.x-y['k l']", [3]),
        ("$['x-y']['k l']", [3]),
        ("$.a.b[*].c", [1, None]),
        ("$.a.b[*].d", [2]),
        ("$.a.b[*]", DOCUMENT["a"]["b"]),
        ("$.list[*][*]", [1, 2, 3]),
        ("$.list[*][1]", [2]),
        ("$.a[*]", []),
        ("$.none", [None]),
        ("$.none.x", []),
        ("$..c", [1, None]),
        ("$.a.b[?(@.c==1)].c", [1]),
        ("$.list[0][0:2]", [1, 2]),
    ],
)
def test_find_and_first(path, found):
    assert find(path, DOCUMENT) == found
    assert first(path, DOCUMENT) == (found[0] if found else MISSING)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c", "choices"]), inner, max_size=3)
    ),
    max_leaves=12,
)
PATHS = ["$", "$.a", "$.a.b[0].c", "$[0]", "$.a[*].b[*]", "$..a", "$..b[?(@.c>1)]", "$.a[0:2].b", "$.a[?(@.b=='x')].c"]


@given(json, st.sampled_from(PATHS))
def test_no_document_makes_a_path_raise(document, path):
    found = find(path, document)
    assert isinstance(found, list)
    value = first(path, document)
    assert value is MISSING or value == found[0]


@pytest.mark.parametrize("document", [None, 5, "text", True])
def test_a_document_without_parts_has_nothing_to_find(document):
    for path in ("$..a", "$.a", "$[*]"):
        assert find(path, document) == []
        assert first(path, document) is MISSING


def test_a_document_that_cannot_be_searched_has_no_such_value():
    assert find("$.a[/(@.c)]", {"a": [{"c": 1}, {"c": "x"}]}) == []
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert find("$..a", deep) == []
    while deep:  # taken apart by hand: not every interpreter frees so deep a list without recursion
        deep = deep[0]


def test_what_was_found_is_the_callers_own():
    once = find("$..c", DOCUMENT)
    once.append(5)
    assert find("$..c", {"c": 7}) == [7]
    assert find("$..c", DOCUMENT) == [1, None]
    assert once == [1, None, 5]


def test_missing_is_one_value():
    import copy as copies
    import pickle

    assert repr(MISSING) == "MISSING"
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING
    assert copies.deepcopy(MISSING) is MISSING


def test_plain_paths_import_nothing():
    code = (
        "import sys; from llmsdk.utils.jsonpaths import find, first, copy\n"
        "first('$.a.b[0]', {}); find('$.a[*].b', {}); copy({}, '$.a[*]', '$.b[*]')\n"
        "assert 'jsonpath' not in sys.modules\n"
        "find('$..a', {}); assert 'jsonpath' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env={"PYTHONPATH": ":".join(sys.path)})


@pytest.mark.parametrize(
    "document, path, result, made",
    [
        ({}, "$.a", {"a": 9}, [("a",)]),
        ({"a": 1}, "$.a", {"a": 9}, []),
        ({"a": None}, "$.a", {"a": 9}, []),
        ({}, "choices[0].text", {"choices": [{"text": 9}]}, [("choices",), ("choices", 0), ("choices", 0, "text")]),
        ({"choices": []}, "choices[0].text", {"choices": [{"text": 9}]}, [("choices", 0), ("choices", 0, "text")]),
        ({"choices": [{"i": 0}]}, "choices[0].text", {"choices": [{"i": 0, "text": 9}]}, [("choices", 0, "text")]),
        ({"a": [1]}, "a[2]", {"a": [1, None, 9]}, [("a", 2)]),
        ({"a": [1, 2]}, "a[1]", {"a": [1, 9]}, []),
        ({}, "a[1][0]", {"a": [None, [9]]}, [("a",), ("a", 1), ("a", 1, 0)]),
        ([], "$[0].a", [{"a": 9}], [(0,), (0, "a")]),
    ],
)
def test_assign(document, path, result, made):
    assert assign(document, path, 9) == made
    assert document == result


@pytest.mark.parametrize(
    "document, path",
    [
        ({"a": None}, "a.b"),
        ({"a": "text"}, "a.b"),
        ({"a": "text"}, "a[0]"),
        ({"a": {}}, "a[0]"),
        ({"a": []}, "a.b.c"),
        (5, "a"),
        (None, "a[0]"),
    ],
)
def test_assign_never_replaces_what_is_there(document, path):
    before = repr(document)
    assert assign(document, path, 9) == []
    assert repr(document) == before


@pytest.mark.parametrize("path", ["$", "", "$.a[*]", "$..a", "a[-1]", "a b", "a["])
def test_assign_takes_definite_paths_only(path):
    with pytest.raises(ValueError, match="does not name one place"):
        assign({}, path, 1)


def test_copy_pairs_wildcards():
    document = {
        "choices": [
            {"logprobs": {"tokenLogprobs": [1, 2]}},
            {},
            {"logprobs": {"tokenLogprobs": [3], "token_logprobs": [4]}},
        ]
    }
    made = copy(document, "$.choices[*].logprobs.tokenLogprobs", "$.choices[*].logprobs.token_logprobs")
    assert made == [("choices", 0, "logprobs", "token_logprobs")]
    assert document["choices"][0]["logprobs"]["token_logprobs"] is document["choices"][0]["logprobs"]["tokenLogprobs"]
    assert document["choices"][1] == {}
    assert document["choices"][2]["logprobs"]["token_logprobs"] == [4]


def test_copy_makes_containers_and_says_where():
    document = {"value": "x"}
    assert copy(document, "$.value", "choices[0].text") == [("choices",)]
    assert document == {"value": "x", "choices": [{"text": "x"}]}
    assert copy(document, "$.value", "choices[0].text") == []


def test_copy_of_nested_wildcards_keeps_indexes():
    document = {"a": [{"b": [{"c": 1}, {}]}, {"b": [{"c": 2}, {"c": 3}]}]}
    made = copy(document, "$.a[*].b[*].c", "$.d[*].e[*]")
    assert document["d"] == [{"e": [1]}, {"e": [2, 3]}]
    assert made == [("d",), ("d", 1), ("d", 1, "e", 1)]


def test_copy_where_there_is_no_room():
    document = {"value": 1, "choices": "text"}
    assert copy(document, "$.value", "$.choices[0].text") == []
    assert document == {"value": 1, "choices": "text"}


def test_copy_into_what_it_reads():
    document = {"a": [1, 2]}
    assert copy(document, "$.a[*]", "$.b[*].v") == [("b",), ("b", 1)]
    assert document["b"] == [{"v": 1}, {"v": 2}]


@pytest.mark.parametrize("source, target", [("$.a[*]", "$.b"), ("$.a", "$.b[*]"), ("$..a", "$.b"), ("$.a", "$..b")])
def test_copy_refuses_paths_that_do_not_pair(source, target):
    with pytest.raises(ValueError, match="do not pair up"):
        copy({}, source, target)


@given(json)
def test_copy_never_raises(document):
    copy(document, "$.a[*].b", "$.choices[*].c")
    copy(document, "$.a.b", "$.a.b.c[1]")
    assign(document, "a[1].b", 1)


@pytest.mark.parametrize(
    "document, source, target, moved",
    [
        ({"a": 1, "b": 2}, "$.a", "$.c.d", {"b": 2, "c": {"d": 1}}),
        ({"a": {"b": 1}}, "$.a.b", "$.c", {"c": 1}),  # what is empty then goes too
        ({"a": {"b": 1, "x": 2}}, "$.a.b", "$.c", {"a": {"x": 2}, "c": 1}),
        ({"a": [{"b": 1}]}, "$.a[0].b", "$.c", {"c": 1}),
        ({"a": [{"b": 1}, {"b": 2}, {}]}, "$.a[*].b", "$.a[*].c.d", {"a": [{"c": {"d": 1}}, {"c": {"d": 2}}, {}]}),
        ({"a": [{"b": 1}]}, "$.a[*].b", "$.d[*]", {"a": [{}], "d": [1]}),
        ({"a": [1, 2]}, "$.a", "$", [1, 2]),
        ({"a": 1}, "$.b", "$.c", {"a": 1}),
        ({"a": 1}, "$.b", "$", {"a": 1}),
        ({"a": 1, "c": None}, "$.a", "$.c", {"a": 1, "c": None}),  # nothing that is there is written over
        (["a"], "$.a", "$.b", ["a"]),
    ],
)
def test_move(document, source, target, moved):
    assert move(document, source, target) == moved
