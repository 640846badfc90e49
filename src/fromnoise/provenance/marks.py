"""XMP that says, in the terms of the press (IPTC), that a picture was made by a generative model.

IPTC Photo Metadata Standard 2025.1: "Digital Source Type" with its vocabulary, "AI System Used", "AI System Version
Used", "AI Prompt Information". Search engines and newsrooms read these, so the words are theirs.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import PngImagePlugin

VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
FROM_WORDS = VOCABULARY + "trainedAlgorithmicMedia"
FROM_A_PICTURE = VOCABULARY + "compositeWithTrainedAlgorithmicMedia"
FROM_AI = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia")
PNG_KEYWORD = "XML:com.adobe.xmp"  # of the iTXt chunk (XMP Specification Part 3, 1.1.5)
MOST_XMP = 256 * 1024  # characters that are looked at
_SPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
_SOURCE_TYPE = re.compile(re.escape("cv.iptc.org/newscodes/digitalsourcetype/") + r"(\w{1,60})")


@dataclass(frozen=True)
class Made:
    """What any program should be able to read of how a picture was made.

    Attributes:
        prompt: the words, also those for what it should not show.
        model: name and hash of the model.
        version: of fromnoise.
        from_a_picture: it began as another picture, of which something may be left.
    """

    prompt: str
    model: str
    version: str
    from_a_picture: bool = False

    @property
    def source_type(self) -> str:
        """The IPTC's address for this kind of picture."""
        return FROM_A_PICTURE if self.from_a_picture else FROM_WORDS


def xmp_of(made: Made) -> str:
    """An XMP packet."""
    for prefix, space in _SPACES.items():
        ET.register_namespace(prefix, space)
    top = ET.Element(_name("x", "xmpmeta"))
    about = ET.SubElement(ET.SubElement(top, _name("rdf", "RDF")), _name("rdf", "Description"))
    about.set(_name("rdf", "about"), "")
    said = {
        ("Iptc4xmpExt", "DigitalSourceType"): made.source_type,
        ("Iptc4xmpExt", "AISystemUsed"): f"fromnoise, model {made.model}" if made.model else "fromnoise",
        ("Iptc4xmpExt", "AISystemVersionUsed"): made.version,
        ("Iptc4xmpExt", "AIPromptInformation"): made.prompt,
        ("xmp", "CreatorTool"): f"fromnoise {made.version}",
    }
    for (prefix, name), value in said.items():
        if value:
            ET.SubElement(about, _name(prefix, name)).text = _NOT_XML.sub("\ufffd", value)
    packet = ET.tostring(top, encoding="unicode")
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{packet}<?xpacket end="r"?>'


def png_info(made: Made) -> PngImagePlugin.PngInfo:
    """The same as what Pillow writes into a PNG."""
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_itxt(PNG_KEYWORD, xmp_of(made))
    return info


def source_types_in(text: str) -> tuple[str, ...]:
    """The kinds of source that an XMP packet names, as "trainedAlgorithmicMedia"; whoever wrote it.

    Foreign XML is searched, not parsed: nothing in it can be expanded.
    """
    return tuple(dict.fromkeys(_SOURCE_TYPE.findall(text[:MOST_XMP])))


def _name(prefix: str, name: str) -> str:
    return f"{{{_SPACES[prefix]}}}{name}"
