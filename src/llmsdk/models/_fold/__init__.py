"""How the chunks of a stream add up to the reply that the unstreamed call would have returned.

`rule.py` has the one rule for what the models do not name, `calls.py` puts the pieces of tool calls together, and
`logprobs.py` the log probabilities; `choices.py` is what chat and text completion share. Start at `chat_folding.py`,
one folder up, which uses them all. Imports models and `utils`, and is imported by the accumulators alone.
"""
