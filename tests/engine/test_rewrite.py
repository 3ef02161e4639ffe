"""Rewrite rules: what a pattern matches, and what a template leaves as it was."""

from __future__ import annotations

from textwrap import dedent

import libcst as cst
import pytest

from engine.rewrite import RewriteRule, lacks

SAFE_LOAD = RewriteRule(
    "torch.load($path, $...rest)",
    "torch.load($path, $...rest, weights_only=True)",
    where=lacks("weights_only"),
)


def rewritten(rule: RewriteRule, code: str) -> str:
    return rule.apply(cst.parse_module(dedent(code))).code


def assert_rewrites(rule: RewriteRule, before: str, after: str) -> None:
    once = rewritten(rule, before)
    assert once == dedent(after)
    assert rewritten(rule, once) == once
    compile(once, "after", "exec")


@pytest.mark.parametrize(
    ("header", "function"),
    [
        ("import torch", "torch.load"),
        ("import torch as t", "t.load"),
        ("from torch import load", "load"),
        ("from torch import load as read", "read"),
        ("import torch.nn", "torch.load"),
    ],
)
def test_a_name_is_resolved_through_imports_and_aliases(header: str, function: str) -> None:
    assert_rewrites(SAFE_LOAD, f"{header}\n{function}(p)\n", f"{header}\n{function}(p, weights_only=True)\n")


@pytest.mark.parametrize(
    "code",
    [
        "def f(torch):\n    torch.load(p)\n",
        "import torch\ndef f(torch):\n    torch.load(p)\n",
        "import torch\ndef f():\n    torch = Loader()\n    torch.load(p)\n",
        "from torch import load\ndef load(path): ...\nload(p)\n",
        "from .torch import load\nload(p)\n",
        "import numpy as torch\ntorch.load(p)\n",
        "import torch\nx = [torch.load(p) for torch in loaders]\n",
        "import torch\nself.torch.load(p)\n",
    ],
)
def test_a_name_of_something_else_does_not_match(code: str) -> None:
    assert rewritten(SAFE_LOAD, code) == code


def test_an_import_inside_a_function_counts_there_alone() -> None:
    code = "def f():\n    import torch\n    torch.load(p)\ndef g():\n    torch.load(p)\n"
    assert rewritten(SAFE_LOAD, code) == code.replace("torch.load(p)", "torch.load(p, weights_only=True)", 1)


@pytest.mark.parametrize("given", ["weights_only=False", "weights_only=True", "**options"])
def test_the_condition_is_asked(given: str) -> None:
    code = f"import torch\ntorch.load(p, {given})\n"
    assert rewritten(SAFE_LOAD, code) == code


def test_matches_tell_what_was_captured() -> None:
    module = cst.parse_module("import torch\ntorch.load('a.pt', 'cpu', mmap=True)\n")
    (match,) = SAFE_LOAD.matches(module)
    assert match.captures["path"].evaluated_value == "a.pt"
    assert [argument.value.deep_equals(cst.parse_expression("True")) for argument in match.arguments] == [False, True]


def test_comments_and_line_breaks_of_the_arguments_stay() -> None:
    assert_rewrites(
        SAFE_LOAD,
        """\
        import torch
        # before
        state = torch.load(  # why
            path,  # the checkpoint
            map_location="cpu",  # no GPU needed
        )  # after
        """,
        """\
        import torch
        # before
        state = torch.load(  # why
            path,  # the checkpoint
            map_location="cpu",  # no GPU needed
            weights_only=True,
        )  # after
        """,
    )


def test_one_argument_per_line_without_a_last_comma() -> None:
    assert_rewrites(
        SAFE_LOAD,
        """\
        import torch
        torch.load(
            path  # the checkpoint
        )
        """,
        """\
        import torch
        torch.load(
            path,  # the checkpoint
            weights_only=True
        )
        """,
    )


def test_the_comment_of_a_last_argument_that_goes_stays() -> None:
    module = cst.parse_module("from a import f\nf(\n    1,  # one\n    2,  # two\n)\n")
    rule = RewriteRule("a.f($x, $y)", "a.f($x)")
    assert rule.apply(module).code == "from a import f\nf(\n    1,  # one\n)\n"


def test_nested_matches_are_all_replaced() -> None:
    rule = RewriteRule("m.old($...all)", "m.new($...all)")
    assert_rewrites(rule, "import m\nm.old(m.old(1), m.old(m.old()))\n", "import m\nm.new(m.new(1), m.new(m.new()))\n")


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("from torch import load as read\nread(path)", True),
        ("import torch as t\nt . load(path)", True),
        ("import torch\nloader = DataLoader(data)", False),
        ("import torchvision\nload(path)", False),
        ("import torch", False),
    ],
)
def test_a_text_without_the_words_of_a_pattern_need_not_be_parsed(text: str, may: bool) -> None:
    assert SAFE_LOAD.words == {"torch", "load"}
    assert SAFE_LOAD.may_match(text) is may


def test_the_words_of_a_pattern_are_those_outside_strings() -> None:
    rule = RewriteRule("open($file, mode='rt').read($...rest)[0] if $x else $file.name")
    assert rule.words == {"open", "mode", "read", "if", "else", "name"}


def test_keywords_match_in_any_order_and_others_are_carried() -> None:
    rule = RewriteRule("m.f($x, flag=False, $...rest)", "m.f($x, $...rest)")
    assert_rewrites(rule, "import m\nm.f(1, a=2, flag=False, b=3)\n", "import m\nm.f(1, a=2, b=3)\n")


def test_a_keyword_that_stands_between_positional_captures_is_kept_in_order() -> None:
    rule = RewriteRule("m.f($...all)", "m.g($...all)")
    assert_rewrites(rule, "import m\nm.f(1, *rest, a=2, **more)\n", "import m\nm.g(1, *rest, a=2, **more)\n")


@pytest.mark.parametrize("code", ["m.f()", "m.f(1, 2)", "m.f(*rest)", "m.f(x=1)", "m.f(**more)"])
def test_one_metavariable_is_exactly_one_plain_argument(code: str) -> None:
    code = f"import m\n{code}\n"
    assert rewritten(RewriteRule("m.f($x)", "m.g($x)"), code) == code


def test_the_same_metavariable_twice_must_be_the_same_code() -> None:
    rule = RewriteRule("$x = $x + $y", "$x += $y")
    assert_rewrites(rule, "a = a + 1\nb = a + 1\n", "a += 1\nb = a + 1\n")


def test_a_metavariable_may_be_used_twice() -> None:
    rule = RewriteRule("m.twice($x)", "($x, $x)")
    assert_rewrites(rule, "import m\ny = m.twice(m.twice(1))\n", "import m\ny = ((1, 1), (1, 1))\n")


def test_literals_match_by_value_and_lists_by_element() -> None:
    rule = RewriteRule("m.f(['a', $...items])", "m.g([$...items])")
    assert_rewrites(rule, 'import m\nm.f(["a", 1, *b])\n', "import m\nm.g([1, *b])\n")
    assert rewritten(rule, "import m\nm.f(['b', 1])\n") == "import m\nm.f(['b', 1])\n"


def test_parentheses_are_put_where_the_meaning_needs_them() -> None:
    rule = RewriteRule("m.item($x)", "$x.item()")
    assert_rewrites(rule, "import m\ny = m.item(a + b)\n", "import m\ny = (a + b).item()\n")
    rule = RewriteRule("m.add($x, $y)", "$x + $y")
    assert_rewrites(rule, "import m\ny = 2 * m.add(a, b)\n", "import m\ny = 2 * (a + b)\n")


def test_the_template_says_names_as_the_module_does() -> None:
    rule = RewriteRule("torch.cuda.amp.GradScaler($...all)", "torch.amp.GradScaler('cuda', $...all)")
    assert_rewrites(
        rule,
        "import torch as t\nfrom torch.cuda.amp import GradScaler\ns = GradScaler()\n",
        "import torch as t\nfrom torch.cuda.amp import GradScaler\ns = t.amp.GradScaler('cuda')\n",
    )


def test_no_change_where_the_module_cannot_say_a_name_of_the_template() -> None:
    rule = RewriteRule("m.f($x)", "other.g($x)")
    code = "import m\nm.f(1)\n"
    assert rewritten(rule, code) == code
    assert [match.replacement for match in rule.matches(cst.parse_module(code))] == [None]


def test_a_rule_that_never_settles_is_an_error() -> None:
    with pytest.raises(ValueError, match="never settles"):
        rewritten(RewriteRule("m.f($x)", "m.f(m.f($x))"), "import m\nm.f(1)\n")


@pytest.mark.parametrize("text", ["for x in y: pass", "a; b", "f(", ""])
def test_a_pattern_that_is_no_expression_or_statement_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not an expression"):
        RewriteRule(text).matches(cst.parse_module(""))


def test_a_module_without_a_match_comes_back_itself() -> None:
    module = cst.parse_module("import torch\n")
    assert SAFE_LOAD.apply(module) is module
