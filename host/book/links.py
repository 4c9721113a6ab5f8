#!/usr/bin/env python3
"""A preprocessor of mdBook: links of included documents, right for the book.

In: the book, before mdBook's own includes. Out: the same with each document in
place of its include, and each of its links leading to the chapter that includes
what it leads to. What no chapter includes is shown as its path.
"""

import json
import os
import re
import sys

INCLUDE = re.compile(r"^\{\{#include (\S+\.md)\}\}$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
# Links of rustdoc, such as [`Driver`], which lead nowhere here.
ITEM = re.compile(r"\[(`[^`]+`)\](?![(\[:])")
# Blocks of code stay as they are.
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def chapters(items):
    """Every chapter with a file of its own, those below others too."""
    for item in items:
        if isinstance(item, dict) and "Chapter" in item:
            chapter = item["Chapter"]
            if chapter.get("path"):
                yield chapter
            yield from chapters(chapter["sub_items"])


def document(text, directory, root, places):
    """A document's text, with its links made right."""

    def link(match):
        words, target = match.groups()
        path, _, part = target.partition("#")
        if "://" in target or not path:
            return match.group(0)
        there = os.path.normpath(os.path.join(directory, path))
        if os.path.isdir(there):
            there = os.path.join(there, "README.md")
        if there in places:
            return f"[{words}]({places[there]}{'#' + part if part else ''})"
        place = os.path.relpath(there, root)
        return words if words == place else f"{words} (`{place}`)"

    pieces, end = [], 0
    for block in BLOCK.finditer(text):
        pieces += [ITEM.sub(r"\1", LINK.sub(link, text[end : block.start()])), block.group(0)]
        end = block.end()
    return "".join([*pieces, ITEM.sub(r"\1", LINK.sub(link, text[end:]))])


def main():
    if sys.argv[1:2] == ["supports"]:
        return
    context, book = json.load(sys.stdin)
    source = os.path.join(context["root"], "src")
    root = os.path.normpath(os.path.join(context["root"], "../.."))
    items = book.get("items", book.get("sections"))

    places = {}
    for chapter in chapters(items):
        places[os.path.normpath(os.path.join(source, chapter["path"]))] = chapter["path"]
        for path in INCLUDE.findall(chapter["content"]):
            places[os.path.normpath(os.path.join(source, path))] = chapter["path"]

    for chapter in chapters(items):

        def include(match):
            path = os.path.normpath(os.path.join(source, match.group(1)))
            with open(path, encoding="utf-8") as file:
                return document(file.read(), os.path.dirname(path), root, places)

        content = chapter["content"]
        if INCLUDE.search(content):
            chapter["content"] = INCLUDE.sub(include, content)
        else:
            chapter["content"] = document(content, source, root, places)
    json.dump(book, sys.stdout)


main()
