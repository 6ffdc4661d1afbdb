"""Put marimo's front end inside an exported page, so that the page opens without a network.

An export names the modules, styles and fonts of the front end by addresses of a content network.
All of them are also in the installed package. Those that a page of outputs needs are packed into
it: styles and fonts as they are, modules compressed, each under a name of its own that an import
map resolves, because modules of a page opened as a file may not come from other files.
"""

import base64
import gzip
import json
import re
from pathlib import Path

import marimo

ASSETS = Path(marimo.__file__).parent / "_static" / "assets"
LAZY = ("run-page", "Plot", "katex", "mhchem", "web-vitals")
"""Modules that a page of outputs asks for when it is open: all other lazy ones edit or explore."""

_OUTSIDE = r"https://cdn\.jsdelivr\.net/npm/@marimo-team/frontend@[^/\"]+/dist/"
_LINK = re.compile(rf'<link\b[^>]*\bhref="{_OUTSIDE}[^"]*"[^>]*>\s*')
_STYLE = re.compile(rf'<link rel="stylesheet"[^>]*\bhref="{_OUTSIDE}assets/([^"]+)"')
_ENTRY = re.compile(rf'<script type="module"[^>]*\bsrc="{_OUTSIDE}assets/([^"]+)"></script>')
_STATIC = re.compile(r"""(\bfrom|\bimport)"\./([^"]+\.js)\"""")
_DYNAMIC = re.compile(r"\bimport\(`\./([^`]+\.js)`\)")
_PRELOADS = re.compile(r"__vite__mapDeps\(\[[\d,]*\]\)")
_MATHJAX = re.compile(r"https://cdn\.jsdelivr\.net/npm/mathjax[^`\"']*")
_FONTS = re.compile(r"url\(\"?(?:\./|/assets/)?([^)\"]+)\"?\)(\s*format\([^)]*\))?")

_LOADER = """
<script id="front-end" type="application/gzip">{packed}</script>
<script>
(async () => {{
  const text = document.getElementById("front-end").textContent;
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const unzipped = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const modules = JSON.parse(await new Response(unzipped).text());
  const imports = {{}};
  for (const [name, code] of Object.entries(modules)) {{
    imports[name] = URL.createObjectURL(new Blob([code], {{ type: "text/javascript" }}));
  }}
  const map = document.createElement("script");
  map.type = "importmap";
  map.textContent = JSON.stringify({{ imports }});
  document.head.append(map);
  await import("{entry}");
}})();
</script>
"""


def offline(html: str, assets: Path = ASSETS) -> str:
    """Return an exported page that asks nobody for anything.

    Raises ValueError for a page that is not laid out as the exports of the marimo installed here.
    """
    entry = _ENTRY.search(html)
    if entry is None:
        raise ValueError("the export names no entry of marimo's front end")
    modules = _reached(entry[1], assets)
    names = dict.fromkeys([*_STYLE.findall(html), *_styles_of(modules)])
    # Components copy the sheets that have an identity into their shadow roots.
    styles = "\n".join(
        f'<style data-vite-dev-id="{name}">\n{_style(assets / name, assets)}\n</style>'
        for name in names
    )
    packed = gzip.compress(
        json.dumps({_name(name): _module(code) for name, code in modules.items()}).encode(),
        mtime=0,
    )
    html = _LINK.sub("", _ENTRY.sub("", html))
    head = f'<link rel="icon" href="data:,">\n{styles}\n'
    loader = _LOADER.format(packed=base64.b64encode(packed).decode(), entry=_name(entry[1]))
    # Before whatever the notebook itself brings, which may overrule it.
    html = html.replace("<title>", f"{head}<title>", 1)
    before, _, after = html.rpartition("</body>")
    return f"{before}{loader}</body>{after}"


def _reached(entry: str, assets: Path) -> dict[str, str]:
    """Return the code of the modules that the entry imports, and of the lazy ones that are used."""
    modules: dict[str, str] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in modules:
            continue
        code = modules[name] = (assets / name).read_text(encoding="utf-8")
        waiting += [found for _, found in _STATIC.findall(code)]
        waiting += [found for found in _DYNAMIC.findall(code) if _plain(found) in LAZY]
    if missing := set(LAZY) - {_plain(name) for name in modules}:
        raise ValueError(f"marimo's front end has no module {', '.join(sorted(missing))}")
    return modules


def _plain(name: str) -> str:
    """Return the name of a module without the hash of its content: `Plot-B8w5_jU-.js` is `Plot`."""
    return re.sub(r"-[\w-]{8}\.js$", "", name)


def _styles_of(modules: dict[str, str]) -> list[str]:
    """Return the style sheets that lazy modules bring with them."""
    found = []
    for code in modules.values():
        listed = re.search(r"m\.f=(\[[^\]]*\])", code)
        if listed is None:
            continue
        files = json.loads(listed[1])
        for name, numbers in re.findall(
            r"import\(`\./([^`]+)`\).{0,60}?__vite__mapDeps\(\[([\d,]*)\]\)", code
        ):
            if name in modules:
                found += [files[int(n)].removeprefix("./") for n in numbers.split(",") if n]
    return [name for name in found if name.endswith(".css")]


def _name(file: str) -> str:
    return f"front-end/{file}"


def _module(code: str) -> str:
    """Return a module that imports by name, preloads nothing and needs no formulas in plots."""
    code = _STATIC.sub(lambda found: f'{found[1]}"{_name(found[2])}"', code)
    code = _DYNAMIC.sub(lambda found: f"import(`{_name(found[1])}`)", code)
    code = _MATHJAX.sub("data:text/javascript,", _PRELOADS.sub("[]", code))
    return code.replace("import.meta.url", "document.baseURI")


def _style(path: Path, assets: Path) -> str:
    """Return a style sheet with its fonts inside, in the one format that every browser reads."""

    def inside(found: re.Match[str]) -> str:
        file = assets / found[1]
        if found[1].startswith(("data:", "#")):
            return found[0]
        if file.suffix != ".woff2":
            return f"url(data:,){found[2] or ''}"
        data = base64.b64encode(file.read_bytes()).decode()
        return f"url(data:font/woff2;base64,{data}){found[2] or ''}"

    return _FONTS.sub(inside, path.read_text(encoding="utf-8"))
