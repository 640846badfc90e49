"""What the press reads in a picture: well-formed XML with the IPTC's own words, whatever the prompt holds."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from fromnoise.provenance.marks import FROM_A_PICTURE, FROM_WORDS, Made, source_types_in, xmp_of

EXT = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
DESCRIPTION = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"


def read(packet: str) -> dict[str, str]:
    """The properties of a packet, by an XML parser."""
    body = packet[packet.index("?>") + 2 : packet.rindex("<?")]
    found = next(ET.fromstring(body).iter(DESCRIPTION))
    return {each.tag: each.text or "" for each in found}


def test_the_iptc_properties() -> None:
    found = read(xmp_of(Made("a red apple", "stickers (abc)", "1.2")))
    assert found[f"{EXT}DigitalSourceType"] == FROM_WORDS
    assert found[f"{EXT}DigitalSourceType"].startswith("http://cv.iptc.org/newscodes/digitalsourcetype/")
    assert found[f"{EXT}AISystemUsed"] == "fromnoise, model stickers (abc)"
    assert found[f"{EXT}AISystemVersionUsed"] == "1.2"
    assert found[f"{EXT}AIPromptInformation"] == "a red apple"
    assert found["{http://ns.adobe.com/xap/1.0/}CreatorTool"] == "fromnoise 1.2"


def test_a_picture_from_a_picture_says_so() -> None:
    packet = xmp_of(Made("", "m", "1", from_a_picture=True))
    assert read(packet)[f"{EXT}DigitalSourceType"] == FROM_A_PICTURE
    assert f"{EXT}AIPromptInformation" not in read(packet)
    assert source_types_in(packet) == ("compositeWithTrainedAlgorithmicMedia",)


@given(st.text(max_size=80))
def test_any_prompt_comes_back_or_loses_only_what_xml_cannot_hold(prompt: str) -> None:
    found = read(xmp_of(Made(prompt, "m", "1"))).get(f"{EXT}AIPromptInformation", "")
    legal = "".join(c if c in "\t\n\r" or (c >= "\x20" and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff")
                    else "\ufffd" for c in prompt)  # fmt: skip
    assert found == legal.replace("\r\n", "\n").replace("\r", "\n")  # as XML reads ends of lines


def test_kinds_are_found_in_packets_of_others() -> None:
    attribute = 'x:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"'
    assert source_types_in(f"<d {attribute}/><e>https://cv.iptc.org/newscodes/digitalsourcetype/humanEdits</e>") == (
        "digitalCapture", "humanEdits",
    )  # fmt: skip
    assert source_types_in("nothing of the kind") == ()
    assert source_types_in(" " * 300_000 + attribute) == ()
