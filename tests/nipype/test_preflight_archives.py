"""The check before a run: accounts, servers, mirrors, and what nodes ask them for."""

import json

import pytest
from nipype import Function, Node
from nipype.interfaces.utility import IdentityInterface

from nipype_xnat import Interface, check, prefetch
from nipype_xnat.errors import ConfigurationError
from nipype_xnat.mirror import Wanted, pull
from support.preflight import facts, levels, mounted, small

PASSWORD = "s3cret w0rd/of+jane"


@pytest.fixture
def jane(xnat_archive, config):
    """An account with a password that stands nowhere by chance, in the configuration file."""
    xnat_archive.archive.add_user("jane", PASSWORD, admin=True)
    Interface(xnat_archive.url, "jane", PASSWORD).save_config(config)
    return config


def test_all_is_well(session, jane, tmp_path):
    found = check(small(jane, tmp_path / "work"), "Linear")
    assert found.exit_code == 0, str(found)
    assert levels(found, "account.file") == levels(found, "server.reached") == ["ok"]
    assert facts(found, "server.login", "ok") == ["jane logs in"]
    assert facts(found, "data.found", "ok") == ["1 files, all of them listed"]
    assert PASSWORD not in str(found) + found.to_json() + repr(found)


def test_one_login_and_no_download(session, jane, tmp_path, xnat_archive):
    xnat_archive.requests.clear()
    before = xnat_archive.archive.open_sessions
    check([small(jane, tmp_path / name) for name in "ab"], "Linear")
    asked = [(one.method, one.path) for one in xnat_archive.requests]
    assert asked.count(("POST", "/data/JSESSION")) == asked.count(("DELETE", "/data/JSESSION")) == 1
    assert not [path for method, path in asked if path.endswith(".nii")]
    assert {method for method, _ in asked} <= {"GET", "POST", "DELETE"}
    assert xnat_archive.archive.open_sessions == before


@pytest.mark.parametrize("mode, level", [(0o644, "error"), (0o640, "error"), (0o400, "ok")])
def test_the_mode_of_a_configuration_file(session, jane, tmp_path, mode, level):
    jane.chmod(mode)
    found = check(small(jane, tmp_path / "work"), "Linear")
    assert levels(found, "account.file") == [level]
    if level == "error":
        assert f"mode {mode:04o}" in facts(found, "account.file")[0]
        assert found.of("account.file")[0].advice == f"chmod 600 {jane}"


def test_a_configuration_file_of_somebody_else(session, jane, tmp_path):
    import os

    try:
        os.chown(jane, 12345, -1)
    except PermissionError:
        pytest.skip("only root can give a file away")
    found = check(small(jane, tmp_path / "work"), "Linear")
    assert "belongs to user 12345" in facts(found, "account.file", "warning")[0]


def test_a_configuration_file_that_is_missing_or_unreadable(session, jane, tmp_path):
    workflow = small(jane, tmp_path / "work")
    jane.unlink()
    found = check(workflow, "Linear")
    assert "cannot be read: No such file" in facts(found, "account.file", "error")[0]
    assert not found.of("account.known")
    jane.write_text(f"{{'password': '{PASSWORD}'")
    jane.chmod(0o600)
    found = check(workflow, "Linear")
    (fact,) = facts(found, "account.known", "error")
    assert "is not JSON" in fact and "small.source" in fact
    assert PASSWORD not in str(found)


def test_netrc(session, jane, tmp_path, xnat_archive, monkeypatch):
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    workflow = small(None, tmp_path / "work", server=xnat_archive.url)
    found = check(workflow, "Linear")
    assert "no account for this server" in facts(found, "account.known", "error")[0]
    netrc.write_text(f'machine 127.0.0.1 login jane password "{PASSWORD}"\n')
    netrc.chmod(0o644)
    found = check(workflow, "Linear")
    assert str(netrc) in facts(found, "account.file", "error")[0]
    assert facts(found, "server.login", "ok") == ["jane logs in"]
    netrc.chmod(0o600)
    assert levels(check(workflow, "Linear"), "account.file") == ["ok"]


def test_nobody_logs_in(session, tmp_path, xnat_archive):
    workflow = small(None, tmp_path / "work", server=xnat_archive.url, anonymous=True)
    found = check(workflow, "Linear")
    assert not found.of("account.file")
    assert levels(found, "account.known") == ["ok"]


def test_a_wrong_password(session, config, tmp_path, xnat_archive):
    Interface(xnat_archive.url, "admin", "of old times").save_config(config)
    found = check(small(config, tmp_path / "work"), "Linear")
    assert "refuses admin" in facts(found, "server.login", "error")[0]
    assert "is not known" in facts(found, "data.found", "warning")[0]
    assert "of old times" not in str(found)


def test_a_server_that_is_away(session, config, tmp_path):
    values = {"server": "http://127.0.0.1:9", "user": "jane", "password": PASSWORD}
    config.write_text(json.dumps(values))
    found = check(small(config, tmp_path / "work"), "Linear")
    assert "http://127.0.0.1:9 cannot be reached" in facts(found, "server.reached", "error")[0]
    assert "offline" in found.of("server.reached")[0].advice


def test_what_is_given_counts_instead(session, jane, tmp_path):
    workflow = small(tmp_path / "none.json", tmp_path / "work")
    assert check(workflow, "Linear").exit_code == 1
    found = check(workflow, "Linear", config=jane, cache_dir=tmp_path / "other")
    assert found.exit_code == 0, str(found)
    assert facts(found, "cache.usable") == [f"{tmp_path / 'other'} can be made"]


def test_without_a_workflow(session, jane, tmp_path, monkeypatch):
    found = check()
    assert levels(found, "account.known") == ["note"]
    assert found.exit_code == 0, str(found)
    monkeypatch.setenv("NIPYPE_XNAT_CONFIG", str(jane))
    found = check(base_dir=tmp_path)
    assert levels(found, "server.login") == levels(found, "base_dir.usable") == ["ok"]
    jane.chmod(0o666)
    assert check().exit_code == 1


def test_an_address_with_an_account_is_shown_nowhere(session, config, xnat_archive):
    with pytest.raises(ConfigurationError):
        check(server=f"http://jane:{PASSWORD}@127.0.0.1")
    address = xnat_archive.url.replace("://", "://jane:an-old-word@")
    values = {"server": address, "user": "admin", "password": "admin"}
    config.write_text(json.dumps(values))
    found = check(config=config)
    assert found.of("server") and "an-old-word" not in str(found)


def test_the_name_of_an_archive_that_another_node_gives(session, config, tmp_path):
    workflow = small(None, tmp_path / "work")
    names = Node(IdentityInterface(["config"]), "names")
    names.inputs.config = str(config)
    for name in ("source", "sink"):
        workflow.connect(names, "config", workflow.get_node(name), "config")
    assert not check(workflow, "Linear").of("account.known").at("error")
    name = Node(Function([], ["out"], function=_session), "name")
    workflow = small(None, tmp_path / "work")
    workflow.connect(name, "out", workflow.get_node("source"), "server")
    workflow.remove_nodes([workflow.get_node("sink")])
    found = check(workflow, "Linear")
    assert "small.source" in facts(found, "account.later", "note")[0]
    assert not found.of("account.known").at("error")


def test_a_certificate_that_is_not_checked(session, config, tmp_path):
    found = check(small(config, tmp_path / "work", verify=False), "Linear")
    assert levels(found, "server.certificate") == ["warning"]
    assert not check(small(config, tmp_path / "work"), "Linear").of("server.certificate")


# -- what is asked for


def test_a_node_that_will_find_nothing(session, config, tmp_path):
    found = check(small(config, tmp_path / "work", session="nobody_MR1"), "Linear")
    (fact,) = facts(found, "data.found", "error")
    assert "small.source" in fact and "nobody_MR1" in fact


def test_what_is_known_only_in_the_run(session, config, tmp_path):
    workflow = small(config, tmp_path / "work")
    name = Node(Function([], ["out"], function=_session), "name")
    workflow.connect(name, "out", workflow.get_node("source"), "session")
    found = check(workflow, "Linear")
    assert levels(found, "data.later") == ["note"]
    assert found.exit_code == 0, str(found)
    assert not check(small(config, tmp_path / "work"), "Linear").of("data.later")


def _session():
    return "sub0_MR1"


# -- offline


@pytest.fixture
def mirror(session, config, tmp_path):
    """A mirror with the listings of the project, but no bytes."""
    with Interface(config=config) as archive:
        pull(archive.transport, tmp_path / "mirror", [Wanted("P", bytes=False)])
    return tmp_path / "mirror"


def offline(workflow, mirror, **how):
    return check(workflow, "Linear", offline=True, mirror=mirror, **how)


def test_offline_and_prepared(mirror, config, tmp_path, xnat_archive):
    workflow = small(config, tmp_path / "work", cache_dir=str(tmp_path / "cache"))
    found = offline(workflow, mirror)
    assert "the bytes of 1 files are not here" in facts(found, "data.bytes", "error")[0]
    prefetch(workflow, mirror=mirror)
    xnat_archive.requests.clear()
    found = offline(workflow, mirror)
    assert found.exit_code == 0, str(found)
    assert not found.of("data.bytes") and not found.of("server")
    assert not xnat_archive.requests
    (fact,) = facts(found, "mirror.holds", "ok")
    assert f"{mirror} is a mirror of {xnat_archive.url}" in fact and "as admin" in fact


def test_a_mirror_that_lacks_a_session_or_a_project(mirror, config, tmp_path, fill):
    fill.put("/data/projects/Q")
    workflow = small(config, tmp_path / "work", session="sub7_MR1")
    assert "sub7_MR1" in facts(offline(workflow, mirror), "data.found", "error")[0]
    workflow = small(config, tmp_path / "work")
    workflow.get_node("sink").inputs.project_id = "Q"
    found = offline(workflow, mirror)
    assert "does not hold Q" in facts(found, "mirror.holds", "error")[0]
    assert "mirror pull" in found.of("mirror.holds")[0].advice


def test_what_is_no_mirror(mirror, config, tmp_path):
    (tmp_path / "other").mkdir()
    workflow = small(config, tmp_path / "work")
    found = offline(workflow, tmp_path / "other")
    assert "is no mirror" in facts(found, "mirror.holds", "error")[0]
    assert levels(found, "mirror.usable") == ["ok"]
    found = offline(workflow, tmp_path / "none")
    assert "does not exist" in facts(found, "mirror.usable", "error")[0]
    found = check(workflow, "Linear", offline=True)
    assert "none is named" in facts(found, "mirror.holds", "error")[0]


def test_an_outbox_that_cannot_be_written(mirror, config, tmp_path):
    workflow = small(config, tmp_path / "work")
    assert levels(offline(workflow, mirror), "outbox.usable") == ["ok"]
    with mounted(tmp_path / "ro", "ro") as folder:
        found = offline(workflow, mirror, outbox=folder / "box")
        assert "cannot be made" in facts(found, "outbox.usable", "error")[0]
    workflow.remove_nodes([workflow.get_node("sink")])
    assert not offline(workflow, mirror).of("outbox")


def test_files_that_only_the_cache_may_give(session, config, tmp_path):
    cache = str(tmp_path / "cache")
    workflow = small(config, tmp_path / "work", cache_dir=cache)
    only = small(config, tmp_path / "work", cache_dir=cache, cache_mode="offline")
    prefetch(workflow)
    assert not check(workflow, "Linear").of("data.bytes")
    assert "data.bytes" not in {one.check for one in check(only, "Linear").at("error")}


@pytest.mark.parametrize(
    "variable, check_, right",
    [
        ("NIPYPE_XNAT_OFFLINE", "environment.offline", "no"),
        ("NIPYPE_XNAT_CACHE_MODE", "environment.cache_mode", "online"),
    ],
)
def test_a_word_that_says_neither(session, config, tmp_path, monkeypatch, variable, check_, right):
    monkeypatch.setenv(variable, "perhaps")
    found = check(small(config, tmp_path / "work"), "Linear")
    assert "perhaps" in facts(found, check_, "error")[0]
    assert levels(found, "server.login") == ["ok"]
    monkeypatch.setenv(variable, right)
    assert not check(small(config, tmp_path / "work"), "Linear").of(check_)


# -- secrets


def test_a_password_in_a_node_or_in_a_variable(session, jane, tmp_path, monkeypatch):
    workflow = small(jane, tmp_path / "work")
    workflow.add_nodes([Node(Function(["word"], ["out"], function=_hand_on), "words")])
    found = check(workflow, "Linear")
    assert not found.of("nodes.secrets")
    assert levels(found, "environment.secrets") == ["ok"]
    workflow.get_node("words").inputs.word = f"jane:{PASSWORD}"
    monkeypatch.setenv("MY_NOTE", f"jane:{PASSWORD}")
    found = check(workflow, "Linear")
    assert "small.words" in facts(found, "nodes.secrets", "error")[0]
    assert "MY_NOTE holds the password" in facts(found, "environment.secrets", "error")[0]
    assert PASSWORD not in str(found) + found.to_json()


def _hand_on(word):
    return word
