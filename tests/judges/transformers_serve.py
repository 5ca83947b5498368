"""This SDK at the server of `transformers`, with a tiny random model that is made here.

Not installed with the others: torch alone takes 6 GB. In an environment of its own,

    pip install "transformers[serving]" torch
    TRANSFORMERS=path/of/its/bin/transformers make judges ONLY=transformers_serve
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from llmsdk import SDK, errors

from .checks import HELLO, KEY, Checks, CouldNotRun, free_port, serving
from .sdk_checks import STREAMS, one_connection

# A vocabulary of single bytes, and two layers of random numbers.
_MODEL = """
import sys
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

bytes_alone = Tokenizer(models.BPE())
bytes_alone.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
bytes_alone.decoder = decoders.ByteLevel()
letters = pre_tokenizers.ByteLevel.alphabet()
trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=letters, special_tokens=["<s>", "</s>"])
bytes_alone.train_from_iterator(["hello world"], trainer)
tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_alone, bos_token="<s>", eos_token="</s>")
tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\\n{% endfor %}"
tokenizer.save_pretrained(sys.argv[1])
sizes = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2)
config = LlamaConfig(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=1, **sizes)
LlamaForCausalLM(config).save_pretrained(sys.argv[1])
"""


def judge(checks: Checks) -> str:
    command = shutil.which(os.environ.get("TRANSFORMERS", "transformers"))
    if command is None:
        raise CouldNotRun("no `transformers` here; pip install transformers[serving] torch (6 GB), and name it")
    python = Path(command).with_name("python")
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run([python, "-c", _MODEL, folder], env=offline, capture_output=True, text=True, check=False)
        if made.returncode:
            raise CouldNotRun(f"no model could be made: {made.stderr.strip()[-200:]}")
        port = free_port()
        options = ["serve", folder, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
        with (
            serving([command, *options], port, patience_s=180, env=offline),
            SDK(server_url=f"http://127.0.0.1:{port}/v1", api_key=KEY) as sdk,
        ):
            _ask(checks, sdk, folder)
            one_connection(checks, f"http://127.0.0.1:{port}/v1", KEY, folder)
    said = [str(python), "-c", "import transformers; print(transformers.__version__)"]
    return subprocess.run(said, capture_output=True, text=True, check=False).stdout.strip()


def _ask(checks: Checks, sdk: SDK, model: str) -> None:
    asked = {"model": model, "messages": HELLO, "max_tokens": 8}

    def streamed() -> bool:
        with sdk.chat.create(**asked, stream=True) as events:
            return len(list(events)) > 1 and events.final.choices[0].finish_reason in ("length", "stop")

    def continued() -> bool:
        with sdk.completions.create(model=model, prompt="hello", max_tokens=8, stream=True) as events:
            return len(list(events)) > 1 and events.final.usage.completion_tokens <= 8

    checks.run("chat", lambda: sdk.chat.create(**asked).usage.completion_tokens <= 8)
    checks.run(f"{STREAMS} streams", lambda: all(streamed() for _ in range(STREAMS)))
    checks.run("completion", lambda: sdk.completions.create(model=model, prompt="hello", max_tokens=8).choices)
    checks.run("completion, streamed", continued)
    checks.run("models", lambda: model in [one.id for one in sdk.models.list().data])
    checks.raises("another model", 400, lambda: sdk.chat.create(model="none", messages=HELLO), errors.BadRequestError)
    odd = {"no_such_parameter": 1}
    checks.raises(
        "an unknown parameter", 422, lambda: sdk.chat.create(**asked, extra_body=odd), errors.UnprocessableEntityError
    )
