"""Text as it may come out of a container: what means something to Markdown, HTML, Slack or a terminal."""

from __future__ import annotations

from hypothesis import strategies as st

ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</code></pre></details><h1>out</h1>",
    "<!channel>",
    "<!here|here>",
    "<@U012AB3CD>",
    "<https://evil.example|click>",
    "@channel @octocat",
    "a | b || c |\\| d",
    "\\",
    "\\|",
    "`code` ``two`` ```three```",
    "~~~\n~~~",
    "```\nout of the fence\n```",
    "# heading\n\n- list\n1. list\n> quote",
    "***bold*** __under__ ~~gone~~ $x$",
    "![image](https://evil.example/x.png) [link](javascript:alert(1))",
    "https://evil.example www.evil.example someone@evil.example",
    "&lt;b&gt; &amp; &#60;script&#62; &nbsp;",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
    "\x9b31m \x00 \x07 \x7f \x85 \r over",
    "one\r\ntwo\u2028three\u2029four\x0bfive",
    "\u202egnp.exe \u2066inside\u2069 \u200bzero",
    "[bold red]markup[/] [link=https://evil.example]x[/link] :smile:",
    "\ud800 lone surrogate \udfff",
    "{{ 7 * 7 }} {% raw %}",
    "emoji 🙂 中文 é combining e\u0301",
    "   leading and trailing   ",
    "\t\ttabs",
    "-->",
    "]]>",
    "'\"><svg/onload=alert(1)>",
)

hostile_text = st.one_of(
    st.sampled_from(ATTACKS),
    st.lists(st.sampled_from(ATTACKS), min_size=1, max_size=4).map("".join),
    st.text(alphabet=st.one_of(st.sampled_from("|`*_<>&@#[]()\\!~$:{}'\"\n\r\t \x1b-=+1a"), st.characters())),
)
"""Attacks, attacks run together, and arbitrary text rich in characters that mean something somewhere."""
