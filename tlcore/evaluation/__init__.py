"""How good a model is, and whether transfer helped it.

`tlcore.evaluation.metrics` scores one trial on its test examples; `tlcore.evaluation.verdict` compares a
method with its baseline over seeds and examples, and says in one sentence what the evidence supports.
"""
