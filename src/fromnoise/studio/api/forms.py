"""Multipart forms, read within limits."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from fromnoise.studio.api.fields import Fields
from fromnoise.studio.api.routes import hint_at
from fromnoise.studio.desk.encode import TYPES
from fromnoise.studio.desk.keeping import no_room
from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.settings import Limits

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
MOST_FILES, MOST_FIELDS, MOST_FIELD = 18, 40, 64 * 1024

BINARY = {"type": "string", "format": "binary"}
PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {"schema": BINARY}}}}
PICTURES: dict[int | str, dict[str, Any]] = {200: {"content": {kind: {"schema": BINARY} for kind in TYPES.values()}}}


def form_body(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """What a route that reads its form by itself tells the API's document."""
    schema = {"type": "object", "required": required, "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


async def read_form(request: Request) -> FormData:
    """The fields and files of a form.

    Raises:
        Problem: not a form, damaged, or with too many parts; or the disk is full.
    """
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        came = f"this came as {kind:.60}" if kind else "this came without"
        raise Problem(415, f"send a form with files: Content-Type: multipart/form-data ({came})")
    try:
        return await request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD)
    except MultiPartException as error:
        raise Problem(400, f"the form cannot be read: {error.message}", code="invalid_form") from None
    except HTTPException as error:
        raise Problem(400, f"the form cannot be read: {error.detail}", code="invalid_form") from None
    except OSError as error:  # of a client that went away it is none: large files wait on the disk
        if error.errno not in FULL:
            raise
        raise no_room(error) from None


async def one_file(request: Request, limits: Limits, name: str = "file") -> bytes:
    """The bytes of a form's one file.

    Raises:
        Problem: as :func:`read_form`; or there is no such file, or something beside it, which would be ignored.
    """
    form = await read_form(request)
    try:
        files = await files_of(form, (name,))
        if not files:
            raise no_file(form, name)
        check_single(form, (name,))
        for other in form:
            if other != name:
                raise Problem(400, f"there is no field '{other:.60}' beside the file", other[:200], "unknown_field")
        return files[0]
    finally:
        await form.close()


async def files_of(form: FormData, names: Sequence[str]) -> list[bytes]:
    """The bytes of all files under some names."""
    found = [value for name in names for value in form.getlist(name)]
    return [await value.read() for value in found if isinstance(value, UploadFile)]


def check_single(form: FormData, names: Sequence[str]) -> None:
    """Refuse a second file, which would be ignored, and text where a file belongs.

    Args:
        names: that one file may come under, the plainest first.

    Raises:
        Problem: naming the field.
    """
    given = [value for name in names for value in form.getlist(name) if value != ""]
    if any(isinstance(value, str) for value in given):
        raise no_file(form, names[0])
    if len(given) > 1:
        raise Problem(400, f"send one file as {names[0]}, not {len(given)}", names[0])


def check_names(form: FormData, names: Sequence[str], fields: type[Fields], route: str) -> None:
    """Refuse files under names that are not read: a mask that is ignored would let all of a picture be redrawn.

    Args:
        names: that files may come under.
        fields: what comes as text.
        route: for hints.

    Raises:
        Problem: naming the first of them.
    """
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile) or name in names:
            continue
        if name in fields.model_fields or name in fields.also:
            raise Problem(400, f"{name} came as a file; send it as text", name)
        said = f"there is no field '{name:.60}'{hint_at(route, [name])}"
        raise Problem(400, said, name[:200], "unknown_field")


def no_file(form: FormData, name: str) -> Problem:
    """What is wrong with a form that lacks a file."""
    if name in form:
        return Problem(400, f"{name} came as text; send it as a file, with curl as -F {name}=@FILE", name)
    files = [key for key, value in form.multi_items() if isinstance(value, UploadFile)]
    came = f"; its files are called {', '.join(dict.fromkeys(files))[:100]}" if files else ""
    return Problem(400, f"the form has no file called {name}{came}", name)
