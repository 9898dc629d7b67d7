#!/usr/bin/env python3
"""Makes the documentation: the reference of include/stoq.h and the guide, as HTML that needs nothing else.

    build.py OUTPUT_FOLDER

Everything that the header declares is in the reference, under the handle or the topic it belongs to, and every name of
the header that a page mentions is a link. A name that the header does not have, and a link that leads nowhere, is an
error. Needs nothing but Python: the header is generated and has one style, and the guide keeps to a small part of
Markdown, which is why this is shorter than the configuration of a documentation system.
"""

import html
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ["README", "concepts", "integration", "kernels", "report_card", "troubleshooting"]
# Sections of the reference: the beginning of a name without stoq_ or STOQ_, and the title. First match.
SECTIONS = [
    ("chain|kernel|grid|drift|integrator|outcome|leapfrog|omelyan|rejected|accepted", "Chains"),
    ("model", "Models"),
    ("action|force_|local_change|destructor", "Actions"),
    ("layout|field", "Layouts of fields"),
    ("schedule|scheme", "Noise schedules"),
    ("train|progress|size", "Training while the chain runs"),
    ("u1", "U(1) gauge theory"),
    ("generator|method|ending|correction", "Generators (approximate)"),
    ("likelihood|trace|coordinates", "Likelihoods (approximate)"),
    ("complex_langevin", "Complex Langevin (approximate)"),
    ("cumulants|symmetry", "Cumulants"),
    ("fokker_planck", "The Fokker-Planck equation"),
    ("", "Status, errors and versions"),
]
STYLE = """
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 Georgia, serif; color: #222; }
h1, h2, h3, nav, th { font-family: Helvetica, Arial, sans-serif; }
code, pre { font: 14px/1.4 Menlo, Consolas, monospace; background: #f5f5f2; }
pre { padding: .7rem; overflow-x: auto; } table { border-collapse: collapse; margin: 1rem 0; }
td, th { border: 1px solid #ccc; padding: .3rem .6rem; vertical-align: top; text-align: left; }
a { color: #14508c; text-decoration: none; } a:hover { text-decoration: underline; }
nav { font-size: 14px; border-bottom: 1px solid #ccc; padding-bottom: .5rem; } dt { margin-top: .5rem; }
section { border-top: 1px solid #ddd; margin-top: 1.5rem; }
"""


class Entry:
    """A declaration of the header with its comment."""

    def __init__(self, comment, code):
        self.comment, self.code = comment, code
        plain = re.sub(r"///[^\n]*", "", code)
        found = re.match(r"#define (\w+)", plain) or re.search(r"\(\*(\w+)\)", plain) or re.search(r"(\w+)\(", plain)
        self.name = (found or re.search(r"(\w+);\s*\Z", plain))[1]

    @property
    def section(self):
        plain = re.sub(r"^stoq_", "", self.name.lower())
        return next(title for begins, title in SECTIONS if re.match(begins, plain))


def entries(header):
    """All declarations behind the opening comment."""
    found, comment, code = [], [], []
    for line in header.split("*/", 1)[1].splitlines():
        inside = bool(code)
        if line.startswith("///") and not inside:
            comment.append(line[3:].removeprefix(" "))
        elif not inside and (not line.strip() or line.startswith(("#if", "#endif", "#include", 'extern "C"', "}", "/*"))):
            comment = comment if line.strip() == "" and not comment else []
        elif line.startswith("#define") and not comment:
            continue  # the guard
        else:
            code.append(line)
            text = "\n".join(code)
            ended = line.startswith("#define") or (line.endswith(";") and text.count("{") == text.count("}"))
            if ended:
                found.append(Entry(comment, text))
                comment, code = [], []
    return found


class Pages:
    """What is known while pages are made: names of the header, and faults."""

    def __init__(self, names):
        self.names, self.faults = names, []

    def code(self, text, place):
        """Escaped code whose names are links."""

        def link(found):
            name = found[0]
            if name in self.names:
                return f'<a href="reference.html#{name}">{name}</a>'
            if not re.fullmatch(r"stoq_[a-z]|STOQ_[A-Z]+_?|stoq_x_\w+", name) and name not in OTHER_NAMES:
                self.faults.append(f"{place}: stoq.h has no {name}")
            return name

        return re.sub(r"\b(?:stoq|STOQ)_\w+", link, html.escape(text, quote=False))

    def inline(self, text, place):
        """Code, bold, emphasis and links of one paragraph."""
        parts = re.split(r"(`[^`]+`)", text)
        for index, part in enumerate(parts):
            if part.startswith("`") and part.endswith("`") and len(part) > 2:
                parts[index] = f"<code>{self.code(part[1:-1], place)}</code>"
                continue
            part = self.code(part, place)
            part = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", lambda found: self.anchor(found[1], found[2], place), part)
            part = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", part)
            parts[index] = re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*(?!\w)", r"<i>\1</i>", part)
        return "".join(parts)

    def anchor(self, text, target, place):
        file, _, fragment = target.partition("#")
        if "://" not in target and not (ROOT / "docs" / "guide" / file).exists():
            self.faults.append(f"{place}: the link {target} leads nowhere")
        if "/" not in file and file.endswith(".md"):
            file = "index.html" if file == "README.md" else file.replace(".md", ".html")
        return f'<a href="{file}{"#" + fragment if fragment else ""}">{text}</a>'

    def markdown(self, text, place):
        """The part of Markdown that the guide and the comments of the header use."""
        made, blocks = [], re.split(r"\n\s*\n", re.sub(r"```\w*\n(.*?)```", keep_together, text, flags=re.S).strip("\n"))
        for block in blocks:
            lines = block.splitlines()
            if block.startswith("\0"):
                made.append(f"<pre>{self.code(block[1:].replace(chr(1), chr(10)).rstrip(), place)}</pre>")
            elif found := re.match(r"(#+) (.*)", block):
                level, title = len(found[1]), self.inline(found[2], place)
                made.append(f"<h{level}>{title}</h{level}>")
                if len(lines) > 1:
                    made.append(self.markdown("\n".join(lines[1:]), place))
            elif all(line.startswith("    ") for line in lines):
                made.append("<pre>" + self.code("\n".join(line[4:] for line in lines), place) + "</pre>")
            elif lines[0].startswith("|"):
                made.append(self.table(lines, place))
            elif re.match(r"(- |\d+\. )", lines[0]):
                items = re.split(r"\n(?=- |\d+\. )", block)
                texts = [self.inline(" ".join(re.sub(r"^(- |\d+\. )", "", item).split()), place) for item in items]
                kind = "ul" if lines[0].startswith("-") else "ol"
                made.append(f"<{kind}>" + "".join(f"<li>{item}</li>" for item in texts) + f"</{kind}>")
            else:
                made.append(f"<p>{self.inline(' '.join(lines), place)}</p>")
        return "\n".join(made)

    def table(self, lines, place):
        rows = []
        for index, line in enumerate(lines):
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
            tag = "th" if index == 0 else "td"
            if index != 1:
                rows.append("<tr>" + "".join(f"<{tag}>{self.inline(cell, place)}</{tag}>" for cell in cells) + "</tr>")
        return "<table>" + "\n".join(rows) + "</table>"

    def entry(self, entry):
        """One declaration of the reference."""
        text = "\n".join(entry.comment)
        head, *tags = re.split(r"^@(?=param|return)", text, flags=re.M)
        made = [f'<section id="{entry.name}"><h3>{entry.name}</h3>', f"<pre>{self.declaration(entry)}</pre>"]
        made.append(self.markdown(head, entry.name) if head.strip() else "")
        rows = []
        for tag in tags:
            found = re.match(r"param\[([\w,]+)\]\s+(\w+)\s+(.*)|return\s+(.*)", tag.strip(), flags=re.S)
            rest = self.inline(" ".join((found[3] or found[4]).split()), entry.name)
            rows.append(f"<dt><code>{found[2]}</code> ({found[1]})</dt><dd>{rest}</dd>" if found[2] else
                        f"<dt>returns</dt><dd>{rest}</dd>")
        return "\n".join(made) + (f"<dl>{''.join(rows)}</dl>" if rows else "") + "</section>"

    def declaration(self, entry):
        """The code, its own name not a link to itself, comments of members as they are."""
        return self.code(entry.code, entry.name)


# Names of the environment and of files, which look like those of the header.
OTHER_NAMES = {"STOQ_PREFIX", "STOQ_LIBRARY", "STOQ_JULIA", "stoq_trainer"}


def keep_together(found):
    """A fenced block may have empty lines."""
    return "\n\n\0" + found[1].replace("\n", "\1") + "\n\n"


def page(title, body):
    links = [("index", "Guide"), *((name, name.replace("_", " ")) for name in GUIDE[1:]), ("reference", "Reference")]
    navigation = " | ".join(f'<a href="{name}.html">{text}</a>' for name, text in links)
    return (f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>stoq: {title}</title>'
            f"<style>{STYLE}</style></head><body><nav>{navigation}</nav>{body}</body></html>\n")  # fmt: skip


def reference(pages, header, found):
    opening = header.split("*/", 1)[0].removeprefix("/*")
    lines = [line.removeprefix(" *").removeprefix(" ") for line in opening.splitlines()]
    body = ["<h1>Reference of stoq.h</h1>", pages.markdown("\n".join(lines).strip("\n"), "opening comment")]
    titles = [title for _, title in SECTIONS]
    by_title = {title: [entry for entry in found if entry.section == title] for title in titles}
    for title in titles:
        names = ", ".join(f'<a href="#{entry.name}">{entry.name}</a>' for entry in by_title[title])
        body += [f"<h2>{title}</h2><p>{names}</p>", *(pages.entry(entry) for entry in by_title[title])]
    return page("reference", "\n".join(body))


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    output, header = Path(sys.argv[1]), (ROOT / "include" / "stoq.h").read_text(encoding="utf-8")
    found = entries(header)
    names = {entry.name for entry in found}
    declared = set(re.findall(r"\b(stoq_\w+)\(", re.sub(r"///[^\n]*|/\*.*?\*/", "", header, flags=re.S)))
    declared |= set(re.findall(r"#define (STOQ_\w+) -?\d", header)) | set(re.findall(r"^} (stoq_\w+);", header, flags=re.M))
    pages = Pages(names)
    pages.faults += [f"{name} is declared, and not in the reference" for name in sorted(declared - names)]
    pages.faults += [f"{entry.name} has no comment" for entry in found if not entry.comment]
    output.mkdir(parents=True, exist_ok=True)
    (output / "reference.html").write_text(reference(pages, header, found), encoding="utf-8")
    for name in GUIDE:
        text = (ROOT / "docs" / "guide" / f"{name}.md").read_text(encoding="utf-8")
        title = text.splitlines()[0].removeprefix("# ")
        target = "index" if name == "README" else name
        (output / f"{target}.html").write_text(page(title, pages.markdown(text, f"{name}.md")), encoding="utf-8")
    if pages.faults:
        raise SystemExit("\n".join(pages.faults))
    print(f"{output}: reference of {len(found)} declarations, {len(GUIDE)} pages of the guide")


main()
