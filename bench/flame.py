"""A flame graph as one SVG that needs nothing else: a box for each function on a stack, as wide as its share of the samples,
standing on who called it. A touch of the pointer tells name and share; a click widens a box to the whole, one on the ground
goes back. Parts have the colours of the report."""
import html

from plot import COLOURS

WIDTH, ROW, TOP, PAD, LEAST = 1200, 17, 34, 10, 0.3  # LEAST: boxes under so many pixels are left out
SCRIPT = """
var boxes = [...document.querySelectorAll('g')], W = %d, P = %d;
function show(x, w) {
  boxes.forEach(function (g) {
    var gx = (+g.dataset.x - x) / w * W, gw = +g.dataset.w / w * W, left = Math.max(0, gx), right = Math.min(W, gx + gw);
    g.style.display = right - left < 0.3 ? 'none' : '';
    var r = g.querySelector('rect'), t = g.querySelector('text');
    r.setAttribute('x', P + left); r.setAttribute('width', Math.max(0, right - left - 0.4)); t.setAttribute('x', P + left + 3);
    var fit = Math.floor((right - left - 5) / 6.4);
    t.textContent = fit < 3 ? '' : g.dataset.n.length > fit ? g.dataset.n.slice(0, fit - 1) + '\\u2026' : g.dataset.n;
  });
}
boxes.forEach(function (g) { g.addEventListener('click', function () { show(+g.dataset.x, +g.dataset.w); }); });
show(0, 1);
"""


def tree(stacks):
    """Nested {name: [samples, children]}, of {stack: samples}."""
    root = {}
    for stack, count in stacks.items():
        level = root
        for name in stack:
            node = level.setdefault(name, [0, {}])
            node[0] += count
            level = node[1]
    return root


def boxes(level, total, x=0.0, depth=1):
    """(depth, x, width, name) with x and width as shares of the whole; the widest first, so that the eye finds them."""
    for name, (count, children) in sorted(level.items(), key=lambda item: -item[1][0]):
        width = count / total
        if width * WIDTH >= LEAST:
            yield depth, x, width, name
            yield from boxes(children, total, x, depth + 1)
        x += width


def shade(name, colour):
    """One of eight tints of a colour, always the same for a name."""
    mix = 0.35 + 0.45 * (sum(name.encode()) % 8) / 7
    return "#" + "".join("%02x" % round(int(colour[n:n + 2], 16) * (1 - mix) + 255 * mix) for n in (1, 3, 5))


def graph(stacks, title):
    """stacks: {(part, outermost, …, innermost): samples}."""
    total = sum(stacks.values()) or 1
    drawn = [(0, 0.0, 1.0, "all")] + list(boxes(tree(stacks), total))
    height, part = TOP + (max(depth for depth, *_ in drawn) + 1) * ROW + PAD, "all"
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="DejaVu Sans Mono, monospace" '
           'font-size="10.5">' % (WIDTH + 2 * PAD, height, WIDTH + 2 * PAD, height), '<rect width="100%" height="100%" fill="#ffffff"/>',
           '<text x="%d" y="20" font-size="14">%s</text>' % (PAD, html.escape(title))]
    for depth, x, width, name in drawn:
        part = name if depth <= 1 else part
        y, label = height - PAD - (depth + 1) * ROW, html.escape(name, quote=True)
        out.append('<g data-x="%.6f" data-w="%.6f" data-n="%s"><title>%s: %.2f %% of all</title>'
                   '<rect x="%.2f" y="%d" width="%.2f" height="%d" rx="1" fill="%s"/><text x="%.2f" y="%d">%s</text></g>'
                   % (x, width, label, label, 100 * width, PAD + x * WIDTH, y, max(0, width * WIDTH - 0.4), ROW - 1,
                      shade(name, COLOURS.get(part, "#e0a030")), PAD + x * WIDTH + 3, y + 12,
                      html.escape(name[:int((width * WIDTH - 5) / 6.4)]) if width * WIDTH > 25 else ""))
    return "\n".join(out) + "<script><![CDATA[%s]]></script></svg>\n" % (SCRIPT % (WIDTH, PAD))
