"""How programs ask for pictures: samples for the page of documentation, with the server's own address and model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a server is, for those who write programs for it.

    Attributes:
        address: scheme, host and port.
        model: the name of the model.
        locked: whether it asks for a token.
    """

    address: str
    model: str
    locked: bool

    @property
    def key(self) -> str:
        """What to write as the key."""
        return "YOUR_TOKEN" if self.locked else "anything"


def samples(place: Place) -> dict[str, tuple[str, str]]:
    """(title, text) of each sample by its id."""
    return {
        "curl": ("curl", curl(place)),
        "python": ("Python, the openai package", python(place)),
        "edit": ("Python: change a picture", edit(place)),
        "fetch": ("JavaScript, fetch", fetch(place)),
        "node": ("JavaScript, the openai package", node(place)),
        "ai-sdk": ("Vercel's AI SDK", ai_sdk(place)),
    }


def curl(place: Place) -> str:
    """From a shell."""
    proof = '  -H "Authorization: Bearer YOUR_TOKEN" \\\n' if place.locked else ""
    return f"""curl {place.address}/v1/images/generations \\
  -H "Content-Type: application/json" \\
{proof}  -d '{{"prompt": "a red apple", "seed": 7}}' \\
  | python3 -c 'import base64, json, sys; print(json.load(sys.stdin)["data"][0]["b64_json"])' \\
  | base64 --decode > apple.png"""


def python(place: Place) -> str:
    """With OpenAI's own package; what it does not know goes into ``extra_body``."""
    return f"""import base64
from openai import OpenAI

client = OpenAI(base_url="{place.address}/v1", api_key="{place.key}")
answer = client.images.generate(prompt="a red apple", n=2, extra_body={{"seed": 7}})
for number, picture in enumerate(answer.data):
    with open(f"apple_{{number}}.png", "wb") as file:
        file.write(base64.b64decode(picture.b64_json))"""


def edit(place: Place) -> str:
    """From a picture; a mask says where it may change."""
    return f"""import base64
from openai import OpenAI

client = OpenAI(base_url="{place.address}/v1", api_key="{place.key}")
with open("apple_0.png", "rb") as picture:
    answer = client.images.edit(image=picture, prompt="a green apple", extra_body={{"strength": 0.6, "seed": 7}})
with open("green.png", "wb") as file:
    file.write(base64.b64decode(answer.data[0].b64_json))"""


def fetch(place: Place) -> str:
    """With nothing but the language; Node 18 or later, Deno, Bun."""
    proof = ' Authorization: "Bearer YOUR_TOKEN",' if place.locked else ""
    return f"""import {{ writeFile }} from "node:fs/promises";

const answer = await fetch("{place.address}/v1/images/generations", {{
  method: "POST",
  headers: {{ "Content-Type": "application/json",{proof} }},
  body: JSON.stringify({{ prompt: "a red apple", seed: 7 }}),
}});
const said = await answer.json();
if (!answer.ok) throw new Error(said.error.message);
await writeFile("apple.png", Buffer.from(said.data[0].b64_json, "base64"));"""


def node(place: Place) -> str:
    """With OpenAI's package of npm."""
    return f"""import {{ writeFile }} from "node:fs/promises";
import OpenAI from "openai";

const client = new OpenAI({{ baseURL: "{place.address}/v1", apiKey: "{place.key}" }});
const answer = await client.images.generate({{ model: "{place.model}", prompt: "a red apple", seed: 7 }});
await writeFile("apple.png", Buffer.from(answer.data[0].b64_json, "base64"));"""


def ai_sdk(place: Place) -> str:
    """With the package ``ai`` and its provider for OpenAI."""
    return f"""import {{ writeFile }} from "node:fs/promises";
import {{ createOpenAI }} from "@ai-sdk/openai";
import {{ generateImage }} from "ai"; // before version 6: experimental_generateImage as generateImage

const fromnoise = createOpenAI({{ baseURL: "{place.address}/v1", apiKey: "{place.key}" }});
const {{ image }} = await generateImage({{ model: fromnoise.image("{place.model}"), prompt: "a red apple" }});
await writeFile("apple.png", image.uint8Array);"""
