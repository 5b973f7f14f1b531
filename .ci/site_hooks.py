"""Hooks of the documentation site. Pages link to source files of the clone beside them (`../sim/simulator.h`); on the site, which holds
docs/ only, such a link becomes the path as code."""

import posixpath
import re

LINK = re.compile(r"\[([^\]\n]*)\]\(([^)\s]+)\)")


def on_page_markdown(markdown, page, config, files):
    folder = posixpath.dirname(page.file.src_path)

    def outside(match):
        text, target = match.groups()
        if "://" in target or target.startswith("#"):
            return match.group(0)
        path = posixpath.normpath(posixpath.join(folder, target.split("#")[0]))
        if not path.startswith("../"):
            return match.group(0)
        path = path[3:]
        return text if path.strip("/") in text else f"{text} (`{path}`)"

    return LINK.sub(outside, markdown)
