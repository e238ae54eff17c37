"""Files: any tree of names that the client writes is the tree that it reads back."""

import itertools
from pathlib import PurePosixPath

from hypothesis import given, settings
from hypothesis import strategies as st

from nipype_xnat.errors import UnsafeName, UsageError

OVER_HTTP = settings(max_examples=12)
COUNT = itertools.count()
PARTS = st.one_of(
    st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=8),
    st.text(" %#?+,[]()&='\"<>*;:@!.~^|{}$`ab", min_size=1, max_size=6),
    st.sampled_from(
        ["..", "a%2fb", "a+b.nii.gz", "T1w+ (copy).nii", "a+b c", "catalog.xml", "é", "e\u0301"]
    ),
)
TREES = st.dictionaries(
    st.lists(PARTS, min_size=1, max_size=3).map("/".join), st.binary(max_size=20), max_size=5
).filter(lambda tree: len({name.casefold() for name in tree}) == len(tree))


def folders(tree):
    return {str(parent) for name in tree for parent in PurePosixPath(name).parents}


@OVER_HTTP
@given(TREES.filter(lambda tree: not set(tree) & folders(tree)))
def test_a_tree_of_any_names(connected, tmp_path_factory, tree):
    client, _ = connected
    resource = client.select.project("P").subject(f"f{next(COUNT)}").insert().resource("TREE")
    here = tmp_path_factory.mktemp("here")
    files = {}
    for number, (name, data) in enumerate(tree.items()):
        files[name] = here / str(number)
        files[name].write_bytes(data)
    try:
        resource.put(files)
    except (UnsafeName, UsageError):
        # nothing of a tree that cannot be kept whole was sent
        assert not resource.exists() or not resource.files().get()
        return
    assert sorted(resource.files().get()) == sorted(tree)
    folder = resource.get()
    read = {name: (folder / name).read_bytes() for name in tree}
    assert read == tree
    target = tmp_path_factory.mktemp("tree")
    resource.get(target, extract=True)
    found = {
        path.relative_to(target / "TREE").as_posix(): path.read_bytes()
        for path in (target / "TREE").rglob("*")
        if path.is_file()
    }
    assert found == tree
    for name, data in tree.items():
        with open(resource.file(name).get(), "rb") as file:
            assert file.read() == data
