from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopback_core.errors import SettingsError
from loopback_core.settings import SourceSettings, load_settings
from loopback_core.settings.addresses import secrets_of, shown_address, without_secrets


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://owner:secret@db:5432/plays", "postgresql://owner@db:5432/plays"),
        ("postgresql://owner@db/plays", "postgresql://owner@db/plays"),
        ("postgresql:///plays", "postgresql:///plays"),
        ("postgresql://owner:p@ss/w?o#rd@db/plays", "postgresql://owner@db/plays"),
        ("postgresql://${USER}:${SECRET}@db/plays", "postgresql://${USER}@db/plays"),
        ("postgresql://db/plays?user=me&password=secret", "postgresql://db/plays?user=me&password=***"),
        ("postgresql://db/plays?sslmode=require&passfile=/x", "postgresql://db/plays?sslmode=require&passfile=***"),
        ("https://store/a.parquet?X-Amz-Signature=ab&sig=c", "https://store/a.parquet?X-Amz-Signature=***&sig=***"),
        ("https://store/a.parquet?token", "https://store/a.parquet?***"),
        ("https://token@store/a.parquet", "https://***@store/a.parquet"),
        ("https://me:token@store/a.parquet", "https://me@store/a.parquet"),
        ("delta://s3://key:secret@bucket/t?x=y", "delta://s3://key@bucket/t?x=***"),
        ("s3://bucket/a@b/*.parquet", "s3://bucket/a@b/*.parquet"),
        ("sqlite:////data/plays.db", "sqlite:////data/plays.db"),
        ("/data/plays.csv", "/data/plays.csv"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address, shown):
    assert shown_address(address) == shown


def test_the_secrets_of_an_address_are_known_with_and_without_their_encoding():
    assert secrets_of("postgresql://me:a%40b@db/x?token=c%2Fd&user=me") == ("a%40b", "a@b", "c%2Fd", "c/d")
    assert secrets_of("delta://s3://key:hidden@bucket/t") == ("hidden",)
    assert secrets_of("https://token@store/a") == ("token",)
    assert secrets_of("postgresql://me@db/plays") == secrets_of("/data/plays.csv") == ()


def test_a_text_loses_secrets_in_every_form_that_a_driver_writes():
    text = "bad URI postgresql://me:a%40bcde@db/x: user=me password='a@bcde' (a@bcde, a%40bcde)"
    assert without_secrets(
        text, ["a@bcde"]
    ) == "bad URI postgresql://me:***@db/x: user=me password=*** (***, ***)".replace("me:***@db", "me@db")
    assert without_secrets("GET https://h/x?X-Amz-Signature=abc in 3 s") == "GET https://h/x?X-Amz-Signature=*** in 3 s"
    assert without_secrets("AWS_SESSION_TOKEN: abc, x") == "AWS_SESSION_TOKEN: ***, x"


def test_a_short_password_is_hidden_where_it_stands_alone_and_breaks_no_word():
    assert without_secrets("postgresql refused 'post'", ["post"]) == "postgresql refused '***'"
    assert without_secrets("nothing to hide", [""]) == "nothing to hide"


def test_dumped_settings_hold_no_password():
    source = SourceSettings(
        name="postgresql://me:hidden@db/x", query="select * from postgres_scan('postgresql://me:hidden@db/x', 'a', 'b')"
    )
    assert "hidden" not in str(source.model_dump()) + source.model_dump_json()
    assert source.name == "postgresql://me:hidden@db/x"


def test_a_sentence_about_a_wrong_address_holds_no_password():
    address = f"postgresql://me:hidden{'n' * 90}\x00@db/x"
    with pytest.raises(SettingsError, match=r"source\.name = 'postgresql://me@db/x' is wrong") as caught:
        load_settings({"source": {"name": address}}, {})
    assert "hidden" not in str(caught.value)


def test_a_query_and_a_table_contradict_each_other():
    with pytest.raises(SettingsError, match=r"source\.query and source\.table are both given: leave one"):
        load_settings({"source": {"query": "select 1", "table": "plays"}}, {})


SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=4).map(lambda text: f"<{text}>")
"""Marked, so that no address holds one by chance; with @, :, /, ?, & and spaces."""


@given(SECRETS, st.sampled_from(["postgresql", "https", "delta://s3"]), st.booleans())
def test_no_password_of_any_letters_is_shown(secret, scheme, encoded):
    written = quote(secret, safe="") if encoded else secret
    address = f"{scheme}://me:{written}@host:5432/plays?sslmode=require"
    assert shown_address(address) == f"{scheme}://me@host:5432/plays?sslmode=require"
    text = without_secrets(f"cannot open {address} with {secret!r} or {secret}", secrets_of(address))
    assert secret not in text and written not in text


@given(SECRETS)
def test_no_signature_of_any_letters_is_shown(secret):
    address = f"https://host/a.parquet?part=1&sig={quote(secret, safe='')}"
    assert shown_address(address) == "https://host/a.parquet?part=***&sig=***"
    assert secret not in without_secrets(f"{address} and {secret}", secrets_of(address))
