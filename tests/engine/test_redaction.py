"""Secrets are taken out of what is shown, and nothing else."""

from __future__ import annotations

import pytest

from engine.redaction import HIDDEN, certain_secrets, redacted


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("https://me:hunter2@example.org/x", "hunter2"),
        ("s3://AKIAIOSFODNN7EXAMPLE:key@bucket", "AKIAIOSFODNN7EXAMPLE"),
        ("https://example.org/?id=3&token=abc123&x=1", "abc123"),
        ('password = "hunter2"', "hunter2"),
        ("DB_PASSWORD='hunter2'", "hunter2"),
        ('{"api_key": "hunter2", "x": 1}', "hunter2"),
        ('os.environ["WANDB_API_KEY"] = "hunter2"', "hunter2"),
        ('os.environ.get("HF_TOKEN", "hunter2")', "hunter2"),
        ('parser.add_argument("--secret", default="hunter2")', "hunter2"),
        ('login(token=f"hunter2")', "hunter2"),
        ("curl --api-key hunter2x https://example.org", "hunter2x"),
        ('key = "hf_abcdefghijklmnop"', "hf_abcdefghijklmnop"),
        ('wandb.login("0123456789abcdef0123456789abcdef01234567")', "0123456789abcdef"),
        ("-----BEGIN KEY-----\n" + "Ab3" * 21 + "\n-----END KEY-----", "Ab3Ab3"),
    ],
)
def test_a_secret_is_hidden(text: str, secret: str) -> None:
    shown = redacted(text)
    assert secret not in shown and HIDDEN in shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        'tokenizer = "bert-base-uncased"',
        'num_tokens = 512  # "tokens"',
        "https://example.org/data?size=3",
        "optimizer.zero_grad()",
        'parser.add_argument("--data", default="data/train.csv", help="where the data lies")',
        'model = torch.hub.load("pytorch/vision:v0.10.0", "resnet18")',
        "for token in tokens: print(token, 'x')",
        "key = 'accuracy'",
    ],
)
def test_what_is_no_secret_is_left(text: str) -> None:
    assert redacted(text) == text


def test_values_inside_others_are_hidden() -> None:
    value = {"a": ["password = 'x1'", 3, None, {"b": "token: 'y2'"}]}
    assert redacted(value) == {"a": [f"password = '{HIDDEN}'", 3, None, {"b": f"token: '{HIDDEN}'"}]}


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("# https://me:a7Gh@example.org/x", "https://me:a7Gh@"),
        ("key = 'sk-proj-aB3dE6gH9jK2mN5pQ8sT1'", "sk-proj-aB3dE6gH9jK2mN5pQ8sT1"),
        (f"'-----BEGIN RSA PRIVATE KEY-----\\n{'Ab3' * 20}\\n'", f"-----BEGIN RSA PRIVATE KEY-----\\n{'Ab3' * 20}"),
    ],
)
def test_a_certain_secret_is_found_at_its_place(text: str, secret: str) -> None:
    ((start, end),) = certain_secrets(text)
    assert text[start:end] == secret


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org:8080/x@y", "ssh://git@example.org", "f'https://{user}:{password}@host'",
        "https://user:password@host", "https://user:xxxx@host", "https://$USER:$TOKEN@host", "hf_model_name_or_path",
        "sk-learn-contributions-are-welcome", "pad_token='<pad>'", "'-----BEGIN PRIVATE KEY-----'",
        "http://localhost:6006, me@example.org",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_secret_is_not_certain(text: str) -> None:
    assert list(certain_secrets(text)) == []
