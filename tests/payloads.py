"""Texts that try to be something else, in every field and name of the tests of hostile input."""

ESCAPES = "\x1b]0;TAKEN\x07\x1b[31mRED\x1b[2J\x9b2J"
MARKUP = "a\\[/b][red]c[/red][link=http://x.example]d :smile:"
HTML = '<script>document.title="TAKEN"</script><img src=x onerror="document.title=\'TAKEN\'">'
MARKDOWN = "x`](javascript:alert(1)) ![t](http://x.example/t.png) [l](http://x.example) **b** | c | ` http://x.example"
HEADING = "x\n---\nlicense: mit\n---\n# A heading\n\n| a | b |\n|---|---|\n```\n<b>"
BIDI = "safe\u202egnp.exe\u2066\u200f\u061c"
LATEX = "\\input{/etc/passwd} $x$ % & # _ ~ ^ {\\bf y}"
FORMULA = "=cmd|' /C calc'!A0"
TEMPLATE = "{{ 7 * 7 }}{% raw %}${7*7}{0.__class__}%s"
BROKEN = "a\x00b\r\nc\u2028d\ufeffe\U000e0041f"
LONG = "name" * 5000

HOSTILE = (
    ESCAPES,
    MARKUP,
    HTML,
    MARKDOWN,
    HEADING,
    BIDI,
    LATEX,
    FORMULA,
    "+1",
    "-1",
    "@x",
    "\t=1",
    TEMPLATE,
    BROKEN,
    LONG,
)
TAKEN = "TAKEN"
"""What a page is called after a script of ours ran in it."""
